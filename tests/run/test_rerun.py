"""Hashes of code and of inputs change with what decides a result, and with nothing else."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from pssrflow.config.rule_code import Code
from pssrflow.config.settings import Settings
from pssrflow.ingest.readers.formats import readers_of
from pssrflow.run import rerun
from pssrflow.run.rerun import fingerprint

# Files of the core that a rule may reach, with the default configuration.
MOST = {
    "simulate": 10,
    # 24, and five of the reader of TIFF.
    "ingest": 24,
    "register": 14,
    "calibrate": 50,
    "crappify": 24,
    "train": 48,
    "predict_init": 31,
    "predict_part": 34,
    "predict": 39,
    "magnification": 8,
    "smoothing": 14,
    "evaluate": 29,
    "promise": 54,
    "trust": 40,
    "judge": 3,
    "accept": 3,
    "report": 45,
}
CACHED = (rerun.code_hash, rerun.read_module, rerun._file)


def named():
    """What the default configuration names, by the scripts that run it."""
    code = Code(Settings())
    network = code.networks["default"]
    trained = (*network, *code.steps, *code.recipe)
    found = dict.fromkeys(("calibrate", "crappify", "trust", "report"), code.steps)
    found["promise"] = (*network, *code.steps)
    found |= dict.fromkeys(
        ("assemble", "export", "adopt", "predict_init", "predict_part", "predict"), network
    )
    return found | {"train": trained}


NAMED = named()


def scripts(root):
    return sorted((root / "workflow/scripts").glob("*.py"))


def clear():
    for cached in CACHED:
        cached.cache_clear()


class Project:
    """A copy of the core that is edited, and the hashes of its scripts."""

    def __init__(self, folder):
        self.scripts, self.core = folder, folder / "pssrflow"
        self.before = self.hashes()

    def hashes(self):
        clear()
        found = self.scripts.glob("*.py")
        return {p.stem: rerun.code_hash(str(p), *NAMED.get(p.stem, ())) for p in found}

    def changed(self, file, *edits):
        """Scripts whose hash some edits of a file change; the file is as before afterwards."""
        path = self.core / file
        text = edited = path.read_text()
        for old, new in edits:
            assert old in edited, (file, old)
            edited = edited.replace(old, new, 1)
        path.write_text(edited)
        after = self.hashes()
        path.write_text(text)
        return {name for name in self.before if self.before[name] != after[name]}


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the core that can be edited."""
    folder = tmp_path_factory.mktemp("project") / "scripts"
    shutil.copytree(root / "workflow/scripts", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rerun, "PACKAGE", folder / "pssrflow")
        yield Project(folder)
    clear()


@pytest.fixture
def core(root, monkeypatch):
    """The core itself, even where a copy is being edited."""
    monkeypatch.setattr(rerun, "PACKAGE", root / "workflow/scripts/pssrflow")
    clear()
    yield rerun.PACKAGE
    clear()


def test_every_rule_reaches_few_files(root, capsys, core):
    table = {}
    for script in scripts(root):
        reached = rerun.reach(script, *NAMED.get(script.stem, ()))
        table[script.stem] = sum(path != script for path in reached)
    with capsys.disabled():
        print("\nfiles of the core that each rule's hash covers:")
        for name, count in table.items():
            print(f"  {name:18}{count:4}   at most {MOST.get(name, '-')}")
    assert {name: n for name, n in table.items() if n > MOST.get(name, n)} == {}


def test_a_reader_adds_few_files_and_only_where_it_is_needed(root, core):
    script = root / "workflow/scripts/ingest.py"
    alone = set(rerun.reach(script))
    for path, most in (("a.ome.tif", 5), ("a.png", 2), ("s3://bucket/a.zarr", 1)):
        more = set(rerun.reach(script, *readers_of(path))) - alone
        assert 1 <= len(more) <= most, (path, more)


def test_what_goes_on_around_a_job_and_what_errors_say_is_in_no_hash(root, core):
    for script in scripts(root):
        for path in rerun.reach(script, *NAMED.get(script.stem, ())):
            parts = path.relative_to(rerun.PACKAGE.parent).parts
            assert parts[:2] not in (("pssrflow", "run"), ("pssrflow", "errors.py")), path


def test_what_goes_on_around_a_job_knows_nothing_of_results(root):
    """What is left out of all hashes may not lead to what belongs into them."""
    for path in (root / "workflow/scripts/pssrflow/run").glob("*.py"):
        for module in re.findall(r"^from (pssrflow\S*) import", path.read_text(), re.MULTILINE):
            assert module == "pssrflow.errors" or module.startswith("pssrflow.run."), path


# For each stage one line that decides its result: file, before, after, what runs again.
DECIDE = [
    ("simulate/microscope.py", "TRUNCATE = 4.0", "TRUNCATE = 3.0", {"simulate"}),
    ("volumes/intensity.py", "2.0 ** max(8,", "2.0 ** max(9,", {"ingest"}),
    ("pairs/registration.py", "SAME_FIELD = 12.0", "SAME_FIELD = 13.0", {"register"}),
    ("calibrate/scanner/fit.py", "BETTER = 3.0", "BETTER = 4.0", {"calibrate"}),
    ("crappify/steps.py", "GREY = 255.0", "GREY = 256.0", {"crappify", "train"}),
    ("crappify/noise.py", "drawn = self.intensity +", "drawn = self.intensity -", {"crappify"}),
    ("train/losses.py", "(predicted - truth).square()", "(truth - predicted).square()", {"train"}),
    ("networks/unet.py", "images - 0.5", "images - 0.4", {"train", "predict_init", "predict_part"}),
    ("predict/tiles.py", "BLENDED = 4", "BLENDED = 3", {"predict_init", "predict_part"}),
    ("volumes/pyramid.py", "(total + 2) >> 2", "total >> 2", {"ingest", "predict"}),
    ("evaluate/metrics.py", "10 * math.log10(", "20 * math.log10(", {"evaluate", "smoothing"}),
    ("trust/head.py", "RATE = 1000, 8, 3e-3", "RATE = 1000, 8, 4e-3", {"promise"}),
    ("trust/maps.py", "DOUBTFUL = 0.01, 0.05", "DOUBTFUL = 0.01, 0.06", {"trust"}),
    ("report/verdict.py", "closer > 0", "closer > 1", {"report"}),
]


@pytest.mark.parametrize(("file", "old", "new", "runs"), DECIDE)
def test_a_line_that_decides_a_result_runs_its_stage_again(file, old, new, runs, project):
    assert runs <= project.changed(file, (old, new))


# For each stage one line that decides nothing.
DECIDE_NOTHING = [
    ("simulate/stage.py", 'log.info("scan', 'log.info("now scan'),
    ("ingest/stage.py", "are NaN or infinite, the first near row", "are no numbers, near row"),
    ("ingest/stage.py", 'log.warning("%s: %s", work.path, note)', 'log.warning("note %s", note)'),
    ("pairs/registration.py", "do not show the same field", "show two fields"),
    ("calibrate/stage.py", 'log.log(level, "verdict: ', 'log.log(level, "the verdict: '),
    ("crappify/stage.py", "planes of at least one LR pixel", "larger planes"),
    ("crappify/noise.py", '"""Counting noise', '"""Noise of counting'),
    ("train/loop.py", '"resumed at step %d of %d"', '"goes on at step %d of %d"'),
    ("train/settings.py", "Patches per step", "Number of patches per step"),
    ("models/weights.py", "weights of another architecture or depth", "other weights"),
    ("predict/stage.py", "blocks, %d of them finished before", "blocks, %d finished"),
    ("volumes/store.py", "this shard cannot be written", "cannot be written"),
    ("volumes/pyramid.py", "this shard is missing or holds other pixels", "other pixels"),
    ("run/job.py", "this is a defect of PSSRflow", "a defect"),
    ("run/remote.py", "ATTEMPTS = 10", "ATTEMPTS = 11"),
    ("run/version.py", '"0.1.0"', '"0.2.0"'),
    ("errors.py", "Accepted: ", "Taken: "),
]


@pytest.mark.parametrize(("file", "old", "new"), DECIDE_NOTHING)
def test_a_sentence_runs_nothing_again(file, old, new, project):
    assert project.changed(file, (old, new)) == set()


# What the configuration does not name.
NOT_NAMED = [
    ("networks/pssr2/swinir.py", "class Network", "class Other: pass\n\n\nclass Network"),
    ("networks/pssr2/swinir.py", "std=0.02", "std=0.03"),
    ("crappify/noise.py", "share = self.intensity / 200", "share = self.intensity / 100"),
    ("train/losses.py", "+ 1e-4)", "+ 1e-5)"),
    ("ingest/readers/raster.py", 'FORMATS = ("PNG",', 'FORMATS = ("GIF", "PNG",'),
]


@pytest.mark.parametrize(("file", "old", "new"), NOT_NAMED)
def test_what_the_configuration_does_not_name_runs_nothing_again(file, old, new, project):
    assert project.changed(file, (old, new)) == set()


def test_editing_the_network_runs_training_and_what_follows_and_not_what_comes_before(project):
    found = project.changed("networks/unet.py", ("images - 0.5", "images - 0.25"))
    assert {"train", "predict_init", "predict_part", "export"} <= found
    assert found.isdisjoint({"ingest", "crappify", "register", "calibrate", "evaluate", "report"})


def test_comments_docstrings_annotations_layout_and_time_stamps_change_nothing(project):
    os.utime(project.core / "volumes/store.py")
    words = ('"""What a step', '# a comment\n"""What any step')
    layout = ("GREY = 255.0", "GREY   =   (255.0)  # as PSSR")
    assert project.changed("crappify/steps.py", words, layout) == set()
    types = (
        "q: float, without_zero: bool = False) -> float",
        "q: int, without_zero=False) -> object",
    )
    assert project.changed("volumes/intensity.py", types) == set()


def test_every_name_that_the_configuration_may_give_is_found(core):
    """Loading by name hides an arrow: what it leads to must be there."""
    from pssrflow.crappify.registry import step_symbol, steps
    from pssrflow.networks.registry import names, network_symbol
    from pssrflow.plugins import choices

    symbols = [*map(step_symbol, steps()), *map(network_symbol, names())]
    for module in ("losses", "optimisers", "schedules"):
        symbols += [f"pssrflow.train.{module}:{n}" for n in choices(f"pssrflow.train.{module}")]
    assert len(symbols) > 30
    for symbol in symbols:
        place = rerun._named(symbol)
        assert place
        path, name = place
        assert rerun.read_module(path).defining(name)


def test_what_is_loaded_by_a_name_that_is_spelled_out_is_followed(core):
    step = rerun.reach(*map(rerun._file, ["pssrflow.crappify.network"]))
    assert rerun._file("pssrflow.crappify.learned") in step


def test_a_name_that_leads_nowhere_is_no_empty_hash(root, core):
    with pytest.raises(LookupError, match="no definition"):
        rerun.code_hash(str(scripts(root)[0]), "pssrflow.networks.unet:Gone")


def test_hashes_are_the_same_in_every_process(root):
    code = "from pssrflow.run.rerun import code_hash; import sys; print(code_hash(sys.argv[1]))"
    script = str(root / "workflow/scripts/ingest.py")
    found = set()
    for seed in "0123":
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(root / "workflow/scripts"),
        }
        command = [sys.executable, "-c", code, script]
        found.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(found) == 1


def test_a_fingerprint_follows_the_bytes_and_not_the_time_stamp(tmp_path):
    (tmp_path / "a").write_bytes(b"pixels")
    first = fingerprint((str(tmp_path),))
    fingerprint.cache_clear()
    os.utime(tmp_path / "a", (0, 0))
    assert fingerprint((str(tmp_path),)) == first
    fingerprint.cache_clear()
    (tmp_path / "a").write_bytes(b"pixelz")
    assert fingerprint((str(tmp_path),)) != first


def test_a_large_acquisition_is_sampled_over_all_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr("pssrflow.run.rerun.HASHED_WHOLE", 1000)
    monkeypatch.setattr("pssrflow.run.rerun.PLACE_BYTES", 100)
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(5000))
    first = fingerprint((str(tmp_path),))
    for name, place in (("a", 0), ("b", 2500), ("c", 4999)):
        content = bytearray(5000)
        content[place : place + 300] = b"1" * min(300, 5000 - place)
        (tmp_path / name).write_bytes(content)
        fingerprint.cache_clear()
        assert fingerprint((str(tmp_path),)) != first
        (tmp_path / name).write_bytes(bytes(5000))
