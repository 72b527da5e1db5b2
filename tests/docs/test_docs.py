"""What the pages say is so: configurations are accepted, commands run, files and targets exist."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from pssrflow.config.check import check_config
from runs import ROOT, prepare, run
from safetensors.numpy import save_file
from snakemake.utils import update_config

README, ARCHITECTURE, CONTRIBUTING = (
    ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
)
PAGES = [README, ARCHITECTURE, CONTRIBUTING, *sorted((ROOT / "docs").glob("*.md"))]
CORE = "workflow/scripts/pssrflow/"
LANGUAGES = {"", "bash", "yaml", "python", "diff"}
# Endings of files of the project; those of a user's data and results are others.
ENDINGS = {".py", ".smk", ".md", ".yaml", ".toml", ".cff", ".in", ".txt", ".png", ".jinja"}
FOLDERS = ("workflow", "tests", "docs", "benchmarks", "envs", "resources", ".ci")
# How pages call files that a user writes, and those that stand for any.
NOT_OURS = re.compile(r"(^|/)(my|mine)[_.]|[A-Z]{4,}(/|\.py)")
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
# Tests that hold whatever is added to the rules of the house; they go through all that there is.
HELD = (
    "tests/test_architecture.py",
    "tests/config/test_write.py",
    "tests/ingest/test_formats.py",
    "tests/evaluate/test_stage.py",
)
# What the folder of a test and its dry run bring.
BROUGHT = {"--configfile", "mine.yaml", "--dry-run"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    runs: bool

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def tokens(page):
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def fences(page):
    """Blocks of a page; the comment `not run` stands right before the one that it excepts."""
    before = ""
    for token in tokens(page):
        if token.type == "fence":
            runs = not NOT_RUN.match(before)
            yield Block(page, token.map[0] + 1, token.info.strip(), token.content, runs)
        before = token.content


BLOCKS = [block for page in PAGES for block in fences(page)]


def blocks(language):
    return [block for block in BLOCKS if block.language == language and block.runs]


def commands():
    """Command lines of all pages, as lists of words."""
    lines = "".join(block.text for block in blocks("bash")).replace("\\\n", " ").splitlines()
    return list(filter(None, (shlex.split(line, comments=True) for line in lines)))


def snippets(page):
    """What stands in backticks."""
    inline = (child for token in tokens(page) for child in token.children or ())
    return [child.content for child in inline if child.type == "code_inline"]


def links(page):
    """Where the links and pictures of a page lead, but for other sites."""
    inline = (child for token in tokens(page) for child in token.children or ())
    found = (child.attrs.get("href") or child.attrs.get("src") for child in inline)
    return [link for link in found if link and "://" not in link]


def headings(page):
    """Anchors of a page, as GitHub makes them of its headings."""
    pairs = itertools.pairwise(tokens(page))
    lines = (line.content for mark, line in pairs if mark.type == "heading_open")
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 150


def test_every_block_is_of_a_kind_that_is_tested():
    assert {str(b): b.language for b in BLOCKS if b.language not in LANGUAGES} == {}


# -- configurations -------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with the files that the pages name, as small as they can be."""
    monkeypatch.chdir(tmp_path)
    for block in blocks("python"):
        (name,) = re.findall(r"\A# (\w+\.py)\n", block.text)
        Path(name).write_text(block.text)
    for name in ("old.pth", "theirs.zip"):
        Path(name).touch()
    facts = {"arch": "unet", "scale": 4, "options": {}, "frames": 1, "intensity": "window"}
    for name in ("old.safetensors", "run1/models/default/best.safetensors"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        save_file({"weight": np.zeros(1)}, name, {"pssrflow": json.dumps(facts)})


def with_defaults(given):
    """A configuration as Snakemake and the Snakefile put it together."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(merged, given)
    return merged | ({"models": given["models"]} if "models" in given else {})


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_every_configuration_is_accepted(block, files):
    check_config(with_defaults(yaml.safe_load(block.text)), str(block))


# -- commands -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a user with a small configuration stands."""
    made = tmp_path_factory.mktemp("user")
    prepare(made)
    return made


def arguments():
    """What the pages call Snakemake with, each once."""
    calls = (words[1:] for words in commands() if words[0].endswith("snakemake"))
    return sorted({tuple(word for word in call if word not in BROUGHT) for call in calls})


@pytest.mark.parametrize("given", arguments(), ids=" ".join)
def test_every_snakemake_command_plans_jobs(given, folder):
    assert "Job stats:" in run(folder, *given, "--dry-run")


def test_every_make_target_exists():
    named = {words[1] for words in commands() if words[0] == "make"}
    inline = (code.split() for page in PAGES for code in snippets(page))
    named |= {words[1] for words in inline if len(words) == 2 and words[0] == "make"}
    makefile = (ROOT / "Makefile").read_text()
    assert named <= set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


# -- files and links ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def project():
    """Files and folders of the project, each between slashes."""
    below = (path for name in FOLDERS for path in (ROOT / name, *(ROOT / name).rglob("*")))
    return [f"/{path.relative_to(ROOT)}/" for path in (*below, *ROOT.glob("*"))]


def is_path(code, page):
    """Whether what stands in backticks looks like a file, or to developers a folder, of ours."""
    if not re.fullmatch(r"[\w./-]+", code) or NOT_OURS.search(code):
        return False
    ours = code.endswith("/") and page in (ARCHITECTURE, CONTRIBUTING)
    return ours or Path(code).suffix in ENDINGS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_backticks_exists(page):
    there = project()
    named = {code for code in snippets(page) if is_path(code, page)}
    assert {n for n in named if not any(p.endswith(f"/{n.rstrip('/')}/") for p in there)} == set()


# -- what CONTRIBUTING adds -----------------------------------------------------------------------


def changes(block):
    """Files of a diff, each with its hunks: lines before and lines after."""
    for part in re.split(r"^--- .*\n", block.text, flags=re.MULTILINE)[1:]:
        head, *hunks = re.split(r"^@@.*\n", part, flags=re.MULTILINE)
        yield head.removeprefix("+++ b/").strip(), [(side(h, " -"), side(h, " +")) for h in hunks]


def side(hunk, marks):
    lines = (line for line in hunk.splitlines(keepends=True))
    return "".join(line[1:] or "\n" for line in lines if line[:1].strip("\n") in marks)


def apply(root, name, hunks):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else ""
    for before, after in hunks:
        assert text.count(before) == 1, f"{name} does not hold once:\n{before}"
        text = text.replace(before, after) if before else after
    path.write_text(text)


@pytest.mark.parametrize("block", blocks("diff"), ids=str)
def test_an_addition_is_one_file_of_the_core_and_its_test(block):
    core, *tests = [name for name, _ in changes(block)]
    folder = core.removeprefix(CORE).split("/")[0]
    assert core.startswith(CORE) and tests
    # Tests lie where the code lies.
    assert {str(Path(test).parent) for test in tests} == {f"tests/{folder}"}


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A copy of the project with all additions, and the tests that they bring."""
    root = tmp_path_factory.mktemp("changed")
    for name in ("workflow", "tests", "resources"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("pyproject.toml", "config.yaml", "ARCHITECTURE.md"):
        shutil.copy(ROOT / name, root)
    files = [change for block in blocks("diff") for change in changes(block)]
    for name, hunks in files:
        apply(root, name, hunks)
    return root, [name for name, _ in files if name.startswith("tests/")]


def python(root, *arguments):
    """Run a module in a copy of the project; gives what it printed, if it ended well."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    clean["PYTHONPATH"] = str(root / "workflow/scripts")
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=root, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_additions_work_and_keep_the_rules_of_the_house(changed):
    root, tests = changed
    python(root, "ruff", "check", "--no-cache", *("workflow", "tests"))
    python(root, "ruff", "format", "--check", "--no-cache", *("workflow", "tests"))
    # What makes config.yaml and the schemas, as `make config` does.
    python(root, "pssrflow.config.write")
    assert "speckle" in (root / "config.yaml").read_text()
    python(root, "pytest", "-q", "-p", "no:cacheprovider", *tests, *HELD)
