"""Runs of other shapes: several models, ensembles, weights, fits, targets."""

import copy
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
import yaml
import zarr
from PIL import Image
from pssrflow.evaluate.errors import ALIKE
from pssrflow.models.facts import Facts
from pssrflow.networks.registry import build
from runs import ROOT, SHEET, TINY, contents, planned, prepare, run

# The first line of a sheet, and the rows of a run of frames.
NAMED = ("sample", "train", "test")


def test_a_map_of_weights_is_ingested_and_learnt_with(mine):
    mask = np.zeros((2, 256, 256), np.uint8)
    mask[:, :, 60:] = 1
    tifffile.imwrite(mine / "mask.tif", mask, photometric="minisblack", metadata={"axes": "ZYX"})
    header, first, *others = SHEET.splitlines()
    rows = [f"{header}\tweight_path", f"{first}\tmask.tif", *(f"{row}\t" for row in others)]
    prepare(mine, sheet="\n".join(rows) + "\n")
    before = contents(mine)["results/models/tiny/train.done.json"]
    assert planned(mine, "train") == {"ingest_acquisition", "train_model", "train"}
    run(mine, "train")
    assert contents(mine)["results/models/tiny/train.done.json"] != before
    facts = Facts.read(mine / "results/models/tiny/best.safetensors")
    assert "results/train/weight.done.json" in facts.trained_on


def test_the_counts_of_a_test_row_are_shared_out_into_two_scans(tmp_path):
    counting = {**TINY["simulate"]["test"], "gain": 2, "offset": 10, "read_noise": 0}
    config = TINY | {
        "models": {"plain": {"arch": "bicubic", "train": False}},
        "simulate": {"test": counting},
    }
    sheet = "sample\trole\tpath\tcounts\ntest\ttest\tsimulate:test\t2, 10\n"
    prepare(tmp_path, config, sheet)
    run(tmp_path, "evaluate")
    results = tmp_path / "results/test"
    first, second = (zarr.open_array(results / f"{k}.ome.zarr/0")[:] for k in ("hr", "hr2"))
    slices = sorted((tmp_path / "results/simulated/test").glob("*.tif"))
    whole = np.stack([tifffile.imread(path) for path in slices])
    np.testing.assert_array_equal((first + second.astype(int)) / 2, whole[None, None])
    done = json.loads((results / "plain/metrics.done.json").read_text())
    assert done["errors"]["0"]["floor"] == ALIKE
    figures = done["errors"]["0"]["figures"]
    assert figures["upsnr"]["sr"]["psnr"][0] > figures["psnr"]["sr"]["psnr"][0] + 0.5
    assert "first half of its counts" in (results / "hr.done.json").read_text()
    # Nothing lies beside anything.
    assert not (results / "hr2.registration.json").exists()


@pytest.mark.slow
def test_an_inset_of_a_cropped_pair_counts_in_no_stage(tmp_path):
    fine, coarse = np.full((256, 256), 255, np.uint8), np.full((64, 64), 255, np.uint8)
    fine[160:], coarse[40:] = 0, 0
    for name, mask in (("fine", fine), ("coarse", coarse)):
        tifffile.imwrite(tmp_path / f"{name}.tif", mask)
    pair = "simulate:pair-hr\tsimulate:pair-lr\t0:200, 0:256"
    sheet = [
        "sample\trole\tpath\tlr_path\tcrop\tmask_path",
        f"learnt\ttrain\t{pair}\tfine.tif",
        "judged\ttest\tsimulate:test\t\t40:200, 0:256\tjudged.tif",
        "survey\tpredict\tsimulate:survey\t\t8:64, 0:90\tsurvey.tif",
    ]
    tifffile.imwrite(tmp_path / "judged.tif", np.full((200, 264), 1, np.uint8))
    tifffile.imwrite(tmp_path / "survey.tif", np.full((280, 360), 1, np.uint8))
    config = TINY | {"crappify": {"fit": "auto"}, "calibrate": {"require_fit": False}}
    prepare(tmp_path, config, "\n".join(sheet) + "\n")
    run(tmp_path)
    for sample, shape in {"learnt": (200, 256), "judged": (160, 256), "survey": (224, 360)}.items():
        stored = zarr.open_array(tmp_path / f"results/{sample}/mask.ome.zarr/0", mode="r")
        assert stored.shape[3:] == shape, sample
    learnt = zarr.open_array(tmp_path / "results/learnt/mask.ome.zarr/0", mode="r")
    assert learnt[0, 0, 0, :160].all() and not learnt[0, 0, 0, 160:].any()
    # As large as the LR image, it is cropped as that one, and the same pixels count.
    shift = (tmp_path / "results/learnt/registration.json").read_text()
    prepare(tmp_path, config, "\n".join(sheet).replace("fine.tif", "coarse.tif") + "\n")
    run(tmp_path, "results/learnt/registration.json")
    stored = zarr.open_array(tmp_path / "results/learnt/mask.ome.zarr/0", mode="r")
    assert stored.shape[3:] == (50, 64) and not stored[0, 0, 0, 40:].any()
    again = (tmp_path / "results/learnt/registration.json").read_text()
    assert json.loads(again)["shift"] == json.loads(shift)["shift"]


@pytest.mark.slow
def test_weights_as_they_are_need_no_row_to_learn_from(finished, tmp_path):
    options = {"hidden": [4, 8], "depth": 1}
    torch.save(build("resunet", 4, options).state_dict(), tmp_path / "old.pth")
    models = {
        "tuned": {"weights": str(finished / "results/models/tiny/best.safetensors")},
        "pssr2": {"arch": "resunet", "weights": "old.pth", "intensity": "range", **options},
    }
    config = TINY | {
        "models": {name: model | {"train": False} for name, model in models.items()},
        "predict": {"tile": 32, "parts": 1},
    }
    prepare(tmp_path, config, SHEET.splitlines()[0] + "\nsurvey\tpredict\tsimulate:survey\t\n")
    run(tmp_path)
    for model in models:
        sr = zarr.open_array(tmp_path / f"results/survey/{model}/sr.ome.zarr/0", mode="r")
        assert sr.shape == (1, 1, 1, 280, 360)
    page = (tmp_path / "results/report.html").read_text()
    assert page.count("Not trained in this run") == 2 and "Training curve" not in page
    # The network of these weights has made this before.
    made = contents(tmp_path)["results/survey/tuned/sr.done.json"]
    assert made == contents(finished)["results/survey/tiny/sr.done.json"]


@pytest.mark.slow
def test_several_models_are_trained_and_reported_each(mine):
    prepare(mine, TINY | {"models": {"tiny": TINY["models"]["tiny"], "plain": {"arch": "bicubic"}}})
    run(mine)
    plain = pd.read_csv(mine / "results/test/plain/metrics.csv").set_index("method")
    assert plain.loc["sr", "psnr"] == pytest.approx(plain.loc["bicubic", "psnr"], abs=0.05)
    assert "test, model plain" in (mine / "results/report.html").read_text()


@pytest.mark.slow
def test_a_masked_region_is_predicted_by_an_ensemble_in_many_parts(tmp_path):
    config = TINY | {
        "models": {
            "plain": {"arch": "bicubic", "train": False},
            "other": {"arch": "bicubic", "train": False},
            "both": {"arch": "ensemble", "members": ["plain", "other"]},
        },
        "predict": {"parts": 8, "tile": 32, "roi": {"survey": "10:60, 0.32um:1.28um"}},
    }
    mask = np.zeros((70, 90), np.uint8)
    mask[:, 60:] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    header, row = SHEET.splitlines()[0], "survey\tpredict\tsimulate:survey"
    prepare(tmp_path, config, f"{header}\tmask_path\n{row}\t\tmask.tif\n")
    output = run(tmp_path, "results/survey/both/sr.done.json")
    assert "predict_pyramid" in output and "assemble_ensemble" in output
    done = json.loads((tmp_path / "results/survey/both/sr.done.json").read_text())
    assert done["shape"] == [1, 1, 1, 200, 240]
    # The members are alike.
    std = zarr.open_array(tmp_path / "results/survey/both/std.ome.zarr/0", mode="r")
    assert std.shape == (1, 1, 1, 200, 240) and not std[:].any()


def test_the_plan_is_printed_and_nothing_else_is_made(tmp_path):
    prepare(tmp_path)
    output = run(tmp_path, "plan")
    rows = {line.split()[0]: line.split() for line in output.splitlines() if "tiny" in line.split()}
    assert set(rows) == {"test", "pair", "survey"}
    assert rows["survey"][1:3] == ["tiny", "1,1,1,280,360"]
    made = [f for f in (tmp_path / "results").rglob("*") if f.is_file() and f.suffix != ".log"]
    assert [f.name for f in made if not f.name.startswith(".")] == []


def test_targets_make_their_stage_and_no_later_one(tmp_path):
    prepare(tmp_path)
    stages = {
        "ingest": "ingest_acquisition",
        "crappify": "crappify_acquisition",
        "train": "train_model",
        "predict": "predict_volume",
        "evaluate": "evaluate_prediction",
        "report": "report",
    }
    order = list(stages.values())
    for target, rule in stages.items():
        found = planned(tmp_path, target)
        assert rule in found, target
        assert not set(order[order.index(rule) + 1 :]) & found, target


def test_magnifications_are_chosen_by_pixel_sizes_and_kept_with_the_weights(mine):
    simulate = copy.deepcopy(TINY["simulate"])
    simulate["survey"]["step_nm"] = 8
    config = TINY | {"simulate": simulate, "train": TINY["train"] | {"zoom": "auto"}}
    prepare(mine, config)
    assert "choose_magnification" in planned(mine, "train")
    output = run(mine, "train")
    assert "survey: structure is 2 times larger" in output
    assert json.loads((mine / "results/magnification.json").read_text())["zoom"] == [1, 2]
    facts = Facts.read(mine / "results/models/tiny/best.safetensors")
    assert facts.zoom == [1, 2]
    assert planned(mine, "train") == set()
    # A row more, of another pixel size, trains nothing anew.
    prepare(mine, config, f"{SHEET}more\tpredict\tsimulate:pair-lr\t\n")
    assert not {"choose_magnification", "train_model"} & planned(mine)


REQUIRED = {"calibrate": {"require_fit": True}}
PAIR_TO_LEARN_FROM = """sample\trole\tpath\tlr_path
pair\ttrain\tsimulate:pair-hr\tsimulate:pair-lr
train\ttrain\tsimulate:train\t
test\ttest\tsimulate:test\t
"""


@pytest.mark.slow
def test_a_fitted_crappifier_is_made_from_the_pairs_before_anything_is_crappified(tmp_path):
    simulate = copy.deepcopy(TINY["simulate"])
    simulate["pair-hr"] |= {"shape": [1, 512, 512]}
    simulate["pair-lr"] |= {"shape": [1, 128, 128], "spot_nm": 12}
    fit = {"crappify": {"fit": "calibration", "realizations": 2}, "calibrate": {"dark": 10}}
    prepare(tmp_path, TINY | fit | {"simulate": simulate}, PAIR_TO_LEARN_FROM)
    assert "calibrate_crappifier" in planned(tmp_path, "train")
    run(tmp_path, "crappify")
    fitted = json.loads((tmp_path / "results/calibration/crappifier.json").read_text())
    assert fitted["verdict"] == "fits", fitted["reasons"]
    stores = [f"results/{s}/lr{d}.done.json" for s in ("train", "test") for d in ("", ".1")]
    assert len({json.loads((tmp_path / s).read_text())["content"] for s in stores}) == 4
    assert planned(tmp_path, "crappify") == set()
    # More noise in the detector of the same microscope: another fit, and what depends on it.
    fit["calibrate"]["dark"] = 12
    prepare(tmp_path, TINY | fit | {"simulate": simulate}, PAIR_TO_LEARN_FROM)
    found = {"calibrate_crappifier", "crappify_acquisition", "crappify"}
    assert planned(tmp_path, "crappify") == found


def test_noise_is_measured_by_default_on_the_images_that_are_to_be_restored(tmp_path):
    prepare(tmp_path, {k: v for k, v in TINY.items() if k != "crappify"})
    output = run(tmp_path, "crappify")
    path = tmp_path / "results/calibration/crappifier.json"
    fitted = json.loads(path.read_text())
    assert fitted["source"] == "lr" and fitted["samples"] == ["pair", "survey", "train"]
    # No verdict but a fit goes by in silence, and none stops the run unless asked.
    assert "WARNING verdict: cannot be checked" in output
    assert planned(tmp_path, "crappify") == set()
    # Rows in another order make no other crappifier.
    header, *rows = SHEET.splitlines()
    (tmp_path / "samples.tsv").write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert planned(tmp_path, "crappify") == set()
    prepare(tmp_path, {k: v for k, v in TINY.items() if k != "crappify"} | REQUIRED)
    refused = run(tmp_path, "crappify", check=False)
    assert "the verdict is 'cannot be checked'" in refused


def test_the_demo_is_planned_from_the_project_folder_alone(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".*", "results"), symlinks=True)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "simulate_acquisition" in done.stdout + done.stderr
    demo = yaml.safe_load((project / "config.yaml").read_text())
    assert demo["samples"] == "resources/demo/samples.tsv"


def test_networks_of_frames_and_of_one_plane_share_a_run_and_become_images(tmp_path):
    tiny = TINY["models"]["tiny"]
    config = TINY | {
        "models": {
            "one": tiny,
            "three": tiny | {"frames": {"axis": "z", "in": 3}},
            "both": {"arch": "ensemble", "members": ["one", "three"]},
        },
        "simulate": TINY["simulate"] | {"test": {"shape": [3, 200, 264], "tissue": 1}},
        "export": {"authors": [{"name": "A. Microscopist"}]},
    }
    sheet = "".join(line for line in SHEET.splitlines(True) if line.split()[0] in NAMED)
    prepare(tmp_path, config, sheet)
    run(tmp_path, "evaluate", "export_images", "export")
    results = tmp_path / "results"
    for model in config["models"]:
        assert len(pd.read_csv(results / f"test/{model}/metrics.csv")["z"].unique()) == 3
        image = tifffile.imread(results / f"test/{model}/sr.ome.tif")
        stored = zarr.open_array(results / f"test/{model}/sr.ome.zarr/0", mode="r")[:]
        np.testing.assert_array_equal(image.reshape(stored.shape), stored)
    facts = Facts.read(results / "models/both/best.safetensors")
    assert (
        facts.frames.count == 3
        and Facts.read(results / "models/one/best.safetensors").frames.count == 1
    )
    # The package is used again by its name, with its frames.
    package = results / "models/three/three.bioimageio.zip"
    again = config | {"models": {"theirs": {"arch": "package", "package": str(package)}}}
    prepare(tmp_path, again, sheet)
    run(tmp_path, "results/test/theirs/sr.done.json")
    done = [
        json.loads((results / f"test/{m}/sr.done.json").read_text()) for m in ("three", "theirs")
    ]
    assert done[0]["content"] == done[1]["content"]


def test_pixels_that_are_learnt_from_are_not_tested_whatever_became_of_them(tmp_path, rng):
    values = rng.integers(0, 250, (2, 300, 320)).astype(np.uint8)
    other = rng.integers(0, 250, (300, 320)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, metadata={"axes": "ZYX"})
    Image.fromarray(np.ascontiguousarray(values[1, 40:260, 300:20:-1])).save(tmp_path / "b.png")
    Image.fromarray(other).save(tmp_path / "c.png")
    sheet = "sample\trole\tpath\na\ttrain\ta.tif\nb\ttest\t{}\n"
    prepare(tmp_path, sheet=sheet.format("b.png"))
    output = run(tmp_path, "train", check=False)
    assert "the same pixels in" in output and "'a' at t,c,z,y,x = (0, 0, 1, " in output
    assert "'b' at (0, 0, 0, " in output and "train_model" in output
    assert not (tmp_path / "results/models/tiny/train.done.json").exists()
    prepare(tmp_path, sheet=sheet.format("c.png"))
    run(tmp_path, "train")
    # Another test row looks again, and trains nothing anew.
    tifffile.imwrite(tmp_path / "d.tif", other[::-1] // 2)
    prepare(tmp_path, sheet=sheet.format("c.png") + "d\ttest\td.tif\n")
    assert planned(tmp_path, "train") == {"ingest_acquisition", "find_copies"}
