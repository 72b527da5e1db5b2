"""The workflow in other places: as a module, from an empty folder, where nobody may write."""

import os
import shutil
import subprocess
import sys

import pytest
from runs import ROOT, contents, environment, prepare, run

MODULE = """configfile: "mine.yaml"


module pssrflow:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from pssrflow
"""
ONE = "results/survey/lr.done.json"


def as_module(folder, snakefile, *arguments, configfile="mine.yaml"):
    """Run a workflow that is nothing but ours as a module."""
    text = MODULE.replace("mine.yaml", configfile)
    (folder / "Snakefile").write_text(text.format(snakefile=snakefile))
    words = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    # Copies of what lies elsewhere go to a cache of their own.
    env = environment() | {"XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path):
    """A repository that holds the project as it is now, and its commit."""
    place = tmp_path / "repository"
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listed, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("this copy of the project is no repository")
    for name in filter(None, found.stdout.splitlines()):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    git = ["git", "-C", str(place), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return place, commit.stdout.strip()


def test_a_module_from_elsewhere_runs_in_an_empty_folder(finished, repository, tmp_path):
    place, commit = repository
    folder = tmp_path / "empty"
    folder.mkdir()
    prepare(folder)
    as_module(folder, f"git+file://{place}/workflow/Snakefile@{commit}", ONE)
    assert contents(folder)[ONE] == contents(finished)[ONE]


def test_a_module_of_this_machine_has_the_same_default(tmp_path):
    prepare(tmp_path)
    said = as_module(tmp_path, f"{ROOT}/workflow/Snakefile", "--dry-run")
    assert "train_model" in said and "report" in said


def test_what_snakedeploy_copies_is_a_run(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    # The name is snakedeploy's.
    snakefile = f"{ROOT}/workflow/Snakefile"
    said = as_module(tmp_path, snakefile, "--dry-run", configfile="config/config.yaml")
    # Of its own sheet, not of the demo's.
    assert "results/fast/" in said and "report" in said


def test_a_snakemake_without_our_packages_says_which_it_needs(tmp_path):
    prepare(tmp_path)
    (tmp_path / "scipy.py").write_text("raise ModuleNotFoundError('none', name='scipy')")
    said = run(tmp_path, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert f"pip install --requirement {ROOT}/envs/requirements.txt" in said, said
    assert "without scipy" in said


def may_mount():
    """Whether this process may mount a folder read-only, for itself alone."""
    words = ["unshare", "--mount", "mount", "--bind", "-o", "ro", str(ROOT), str(ROOT)]
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="nobody but root may mount a folder read-only")
def test_the_project_may_be_read_only_and_several_runs_use_it_at_once(finished, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        prepare(folder)
    # A mount of this process alone, over the project, by which nobody can write there.
    script = f"mount --bind -o ro {ROOT} {ROOT} && cd $0 && exec " + (
        f"{sys.executable} -m snakemake --snakefile {ROOT}/Snakefile --configfile mine.yaml "
        f"--cores 1 {ONE}"
    )
    words = ["unshare", "--mount", "sh", "-c", script]
    running = [
        subprocess.Popen(
            [*words, str(folder)],
            env=environment() | {"PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder in folders
    ]
    for process, folder in zip(running, folders):
        said = process.communicate()[0]
        assert process.returncode == 0, said
        assert contents(folder)[ONE] == contents(finished)[ONE]
