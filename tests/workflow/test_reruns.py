"""What runs again after a change, and what does not."""

import os
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from runs import ROOT, TINY, planned, prepare, run


def test_a_second_run_has_nothing_to_do(mine):
    assert "Nothing to be done" in run(mine)


def test_touching_every_file_reruns_nothing(mine):
    for path in [
        *mine.rglob("*.json"),
        *mine.rglob("*.csv"),
        *mine.rglob("*.tif"),
        mine / "mine.yaml",
    ]:
        os.utime(path)
    assert planned(mine) == set()


@pytest.mark.parametrize(
    ("change", "runs", "stays"),
    [
        (
            {"crappify": {"noise": [{"name": "poisson", "intensity": 0.9}]}},
            {
                "crappify_acquisition",
                "train_model",
                "predict_part",
                "evaluate_prediction",
                "report",
            },
            {"simulate_acquisition", "ingest_acquisition", "register_pair"},
        ),
        (
            {"ingest": TINY["ingest"] | {"percentiles": [5, 95]}},
            {"ingest_acquisition", "crappify_acquisition", "train_model", "predict_init", "report"},
            {"simulate_acquisition"},
        ),
        (
            {"train": TINY["train"] | {"max_steps": 21}},
            {"train_model", "predict_init", "evaluate_prediction", "report"},
            {"simulate_acquisition", "ingest_acquisition", "crappify_acquisition", "register_pair"},
        ),
        (
            {"predict": TINY["predict"] | {"self_ensemble": True}},
            {"predict_init", "predict_part", "predict_volume"},
            {"ingest_acquisition", "crappify_acquisition", "train_model"},
        ),
        (
            {"report": {"title": "Another"}},
            {"report"},
            {
                "ingest_acquisition",
                "crappify_acquisition",
                "train_model",
                "predict_part",
                "evaluate_prediction",
            },
        ),
    ],
)
def test_a_changed_key_reruns_what_depends_on_it_alone(change, runs, stays, mine):
    prepare(mine, TINY | change)
    found = planned(mine)
    assert runs <= found and not stays & found


@pytest.mark.parametrize(
    "change",
    [
        {"predict": {"tile": 48, "parts": 3, "memory": 3000}},
        {"train": TINY["train"] | {"tensorboard": True, "preview_every": 2, "resume": False}},
    ],
)
def test_what_changes_no_pixel_reruns_the_report_alone(change, mine):
    prepare(mine, TINY | change)
    assert planned(mine) == {"report"}


@pytest.mark.slow
def test_where_tiles_leave_pixels_out_other_tiles_are_other_pixels(tmp_path, finished):
    shutil.copytree(finished, tmp_path / "mine", symlinks=True)
    empty = {"empty": "constant", "tile": 32, "parts": 2}
    prepare(tmp_path / "mine", TINY | {"predict": empty})
    run(tmp_path / "mine", "predict")
    prepare(tmp_path / "mine", TINY | {"predict": empty | {"tile": 48}})
    assert "predict_init" in planned(tmp_path / "mine", "predict")


def test_a_finished_training_that_will_be_replaced_is_told_before_anything_runs(mine):
    prepare(mine, TINY | {"train": TINY["train"] | {"max_steps": 25}})
    output = run(mine, "--dry-run")
    assert "results/models/tiny: 20 steps were trained; now max_steps 20 -> 25" in output
    assert "To go on from its last state instead: train.resume: extend" in output
    prepare(mine, TINY | {"train": TINY["train"] | {"max_steps": 25, "resume": "extend"}})
    assert "Training goes on from its last state" in run(mine, "--dry-run")


def test_a_release_reruns_nothing(mine, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".*", "results"), symlinks=True)
    version = project / "workflow/scripts/pssrflow/run/version.py"
    version.write_text('"""Of a later release."""\n\n__version__ = "99.0.0"\n')
    assert planned(mine, "--snakefile", str(project / "Snakefile")) == set()


def test_an_edited_crappifier_reruns_crappify_and_what_depends_on_it_not_ingest(mine, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".*", "results"), symlinks=True)
    snakefile = ("--snakefile", str(project / "Snakefile"))
    assert planned(mine, *snakefile) == set()
    core = project / "workflow/scripts/pssrflow/crappify/steps.py"
    core.write_text("# a comment\n" + core.read_text())
    os.utime(project / "workflow/scripts/crappify.py")
    assert planned(mine, *snakefile) == set()
    core.write_text(core.read_text().replace("GREY = 255.0", "GREY = 254.0"))
    found = planned(mine, *snakefile)
    assert {"crappify_acquisition", "train_model", "predict_part", "report"} <= found
    assert not {"simulate_acquisition", "ingest_acquisition"} & found


def test_editing_pixels_of_a_raw_file_reruns_its_ingest_alone(tmp_path, tissue, write_tiff):

    values = tissue((256, 256))
    path = write_tiff("raw.tif", values)
    prepare(tmp_path, sheet=f"sample\trole\tpath\na\ttrain\t{path}\nb\ttest\tsimulate:test\n")
    run(tmp_path, "ingest")
    os.utime(path)
    assert planned(tmp_path, "ingest") == set()
    values[100, 100] ^= 255
    tifffile.imwrite(path, values, photometric="minisblack")
    output = run(tmp_path, "--dry-run", "ingest")
    assert "image=a/hr" in output and "image=b/hr" not in output


@pytest.mark.slow
def test_parts_cores_and_chunks_change_no_pixel(finished, tmp_path):
    other = TINY | {
        "ingest": {"chunk": [1, 32, 32], "shard": [1, 64, 128]},
        "predict": {"tile": 32, "parts": 5},
    }
    prepare(tmp_path, other)
    shutil.copytree(finished / "results/simulated", tmp_path / "results/simulated")
    run(tmp_path, "--cores", "1", "crappify", "predict")
    for name in ("test/lr", "pair/lr", "test/tiny/sr", "survey/tiny/sr"):
        one, two = (
            zarr.open_array(f / f"results/{name}.ome.zarr/0", mode="r")[:]
            for f in (finished, tmp_path)
        )
        if name.endswith("lr"):
            np.testing.assert_array_equal(one, two)
        else:
            # One or two threads sum in another order, in training too.
            assert np.abs(one.astype(int) - two.astype(int)).max() <= 1 + int(one.max()) // 256


def test_editing_an_own_class_reruns_crappify(tmp_path):
    own = "class Same:\n    def __call__(self, grey, rng):\n        return grey + {}\n"
    (tmp_path / "own.py").write_text(own.format(0))
    step = {"name": "custom", "path": "own.py:Same"}
    prepare(tmp_path, TINY | {"crappify": {"noise": [step]}})
    run(tmp_path, "crappify")
    assert planned(tmp_path, "crappify") == set()
    (tmp_path / "own.py").write_text(own.format(1))
    assert planned(tmp_path, "crappify") == {"crappify_acquisition", "crappify"}
