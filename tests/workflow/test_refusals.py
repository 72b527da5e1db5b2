"""What is refused before anything runs, and runs that are kept apart."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from runs import ROOT, SHEET, TINY, prepare, run


@pytest.mark.parametrize(
    ("config", "sheet", "message"),
    [
        (TINY | {"crappify": {"scale": 0}}, SHEET, r"mine\.yaml.*\n *crappify\.scale: found 0"),
        (
            TINY,
            SHEET.replace("survey\tpredict", "survey\tpredct"),
            r"samples\.tsv.*\n *line 5, role",
        ),
        (
            TINY,
            SHEET.replace("simulate:train", "gone.tif"),
            r"line 2, path: nothing at 'gone\.tif'",
        ),
        (TINY, SHEET.replace("train\ttrain", "train\ttest"), "no row has the role train"),
    ],
)
def test_bad_input_is_refused_while_parsing_without_a_traceback(config, sheet, message, tmp_path):
    prepare(tmp_path, config, sheet)
    output = run(tmp_path, "--dry-run", check=False)
    assert re.search(message, output), output
    assert "Traceback" not in output and not (tmp_path / "results").exists()


def test_a_failing_job_shows_its_reason_without_a_traceback(tmp_path, write_tiff):
    path = write_tiff("raw.tif", np.zeros((64, 64), np.uint8))
    prepare(tmp_path, sheet=f"sample\trole\tpath\na\ttrain\t{path}\n")
    output = run(tmp_path, "ingest", check=False)
    assert "every pixel of every plane has one value" in output
    assert "Traceback" not in output


def test_two_runs_in_one_results_folder_are_kept_apart(tmp_path):
    folder = str(tmp_path / "free")
    code = "import sys; from pssrflow.run.locks import claim; claim(sys.argv[1])"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, "-c", f"{code}; print('mine', flush=True); input()", folder]
    first = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout.readline() == "mine\n"
    second = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert second.returncode == 1 and "another run is writing here" in second.stderr
    first.kill()
    first.wait()
    # The lock dies with its holder, as after a kill -9.
    done = subprocess.run(command, env=environment, check=False, input="\n", text=True)
    assert done.returncode == 0


def test_a_job_waits_for_an_orphan_that_still_writes(tmp_path):
    code = (
        "import sys; from pssrflow.run.job import job\n"
        "with job(sys.argv[1], 1, sys.argv[2]):\n    print('in', flush=True); input()"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}

    def start(name):
        command = [sys.executable, "-c", code, str(tmp_path / name), str(tmp_path / "store")]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(command, env=environment, text=True, **pipes)

    orphan = start("a.log")
    assert orphan.stdout.readline() == "in\n"
    successor = start("b.log")
    assert "an earlier run still writes" in successor.stderr.readline()
    orphan.kill()
    assert successor.stdout.readline() == "in\n"
    successor.communicate("\n")
    assert successor.returncode == 0


def test_an_own_class_that_fails_is_refused_while_parsing(tmp_path):
    (tmp_path / "own.py").write_text(
        "class Bad:\n    def __call__(self, g, r):\n        return 1\n"
    )
    prepare(tmp_path, TINY | {"crappify": {"noise": [{"name": "custom", "path": "own.py:Bad"}]}})
    output = run(tmp_path, "--dry-run", check=False)
    assert "crappify: own.py:Bad: returned shape () for" in output
    assert "Traceback" not in output
