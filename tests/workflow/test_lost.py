"""What is deleted or damaged after it was finished is noticed, and made again."""

import re
import shutil
import subprocess

import pytest
from runs import TINY, contents, planned, prepare, run


def removed(output):
    """The files that an error names for removal."""
    [command] = set(re.findall(r"by the same command after: (rm [^\n]*?)\.\n", output))
    return command


def flipped(path):
    """Change one bit in the middle of a file."""
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 16
    path.write_bytes(changed)


@pytest.mark.slow
def test_whatever_is_deleted_or_cut_short_is_asked_for_and_comes_back(mine, finished):
    results = mine / "results"
    for lost, rule in (
        ("report.json", "report"),
        ("test/tiny/metrics.csv", "evaluate_prediction"),
        ("pair/registration.json", "register_pair"),
        ("survey/tiny/sr.ome.zarr/1", "predict_part"),
        ("pair/tiny", "predict_init"),
        ("test/lr.ome.zarr/0/c", "crappify_acquisition"),
        ("train/hr.done.json", "ingest_acquisition"),
        ("models/tiny/best.safetensors", "train_model"),
    ):
        path = results / lost
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix == ".json":
            path.write_bytes(path.read_bytes()[:-9])
        else:
            path.unlink()
        assert rule in planned(mine), lost
    run(mine)
    assert contents(mine) == contents(finished)
    assert "Nothing to be done" in run(mine)


def test_all_models_may_be_deleted(mine):
    shutil.rmtree(mine / "results/models")
    assert {"train_model", "report"} <= planned(mine)


def test_history_and_page_are_held_to_what_was_written(mine):
    flipped(mine / "results/models/tiny/history.csv")
    assert "train_model" in planned(mine)
    flipped(mine / "results/report.html")
    assert "report" in planned(mine)


@pytest.mark.parametrize(
    ("damaged", "reader"),
    [
        ("test/hr.ome.zarr/0/c/0/0/0/0/0", "crappify_acquisition"),
        ("survey/tiny/sr.ome.zarr/0/c/0/0/0/0/0", "report"),
        ("models/tiny/best.safetensors", "predict_init"),
    ],
)
@pytest.mark.slow
def test_a_flipped_byte_is_named_by_its_reader_with_a_command_that_mends_it(
    damaged, reader, mine, finished
):
    flipped(mine / "results" / damaged)
    output = run(mine, "--forcerun", reader, check=False)
    assert "Traceback" not in output and damaged.split("/0/c")[0] in output
    subprocess.run(removed(output), shell=True, cwd=mine, check=True)
    run(mine)
    assert contents(mine) == contents(finished)
    for name in ("test/tiny/metrics.csv", "pair/tiny/metrics.csv"):
        assert (mine / "results" / name).read_bytes() == (finished / "results" / name).read_bytes()


@pytest.mark.slow
def test_a_store_of_another_run_is_not_overwritten(tmp_path):
    stores = {
        "stores": str(tmp_path / "stores"),
        "models": {"plain": {"arch": "bicubic", "train": False}},
    }
    sheet = "sample\trole\tpath\na\ttest\tsimulate:test\n"
    prepare(tmp_path, TINY | stores, sheet)
    run(tmp_path, "ingest")
    before = contents(tmp_path)
    other = TINY | stores | {"results": "other", "ingest": TINY["ingest"] | {"bits": 14}}
    prepare(tmp_path, other, sheet)
    output = run(tmp_path, "ingest", check=False)
    assert "stores/a/hr.ome.zarr: the store of another run" in output and "Traceback" not in output
    prepare(tmp_path, TINY | stores, sheet)
    assert "Nothing to be done" in run(tmp_path, "ingest") and contents(tmp_path) == before
    # A run that was moved is still the same.
    (tmp_path / "results").rename(tmp_path / "moved")
    prepare(tmp_path, TINY | stores | {"results": "moved"}, sheet)
    (tmp_path / "moved/a/hr.done.json").unlink()
    assert "the store of another run" not in run(tmp_path, "ingest")


@pytest.mark.slow
def test_stores_on_a_disk_that_is_not_mounted_are_not_taken_for_lost(tmp_path):
    prepare(tmp_path, TINY | {"stores": str(tmp_path / "stores")})
    run(tmp_path, "ingest")
    (tmp_path / "stores").rename(tmp_path / "away")
    output = run(tmp_path, "--dry-run", "ingest", check=False)
    assert re.search(r"stores: nothing in \S+stores, though results says that stores", output)
    (tmp_path / "away").rename(tmp_path / "stores")
    assert "Nothing to be done" in run(tmp_path, "ingest")
