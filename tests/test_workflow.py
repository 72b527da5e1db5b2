"""The workflow as a user runs it: from one command to the report, and what runs again."""

import copy
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import ome_zarr.io
import ome_zarr.reader
import pandas as pd
import pytest
import tifffile
import torch
import yaml
import zarr
from ome_zarr_models.v05 import Image
from pssrflow.models.facts import saved_facts
from pssrflow.networks.registry import build

from workflow import ROOT, SHEET, TINY, contents, planned, prepare, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which everything was run once; tests must leave it as it was."""
    base = tmp_path_factory.getbasetemp()
    # The processes that share the tests share it too.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder.mkdir(exist_ok=True)
    with open(folder.with_suffix(".lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "results/report.html").exists():
            prepare(folder)
            run(folder)
    return folder


@pytest.fixture
def mine(finished, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(finished, tmp_path / "mine", symlinks=True)
    return tmp_path / "mine"


def test_every_store_is_accepted_by_the_public_validator_and_reader(finished):
    stores = list((finished / "results").rglob("*.ome.zarr"))
    assert len(stores) == 10
    for store in stores:
        Image.from_zarr(zarr.open_group(store, mode="r"))
        assert list(ome_zarr.reader.Reader(ome_zarr.io.parse_url(store))())
        validator = f"{sys.prefix}/bin/ome-zarr-models"
        subprocess.run([validator, "validate", str(store)], check=True, capture_output=True)


def test_predictions_have_the_shape_dtype_and_pixel_size_promised(finished):
    survey = zarr.open_array(finished / "results/survey/tiny/sr.ome.zarr/0", mode="r")
    assert survey.shape == (1, 1, 1, 280, 360) and survey.dtype == np.uint8
    twelve_bit = zarr.open_array(finished / "results/test/tiny/sr.ome.zarr/0", mode="r")
    assert twelve_bit.dtype == np.uint16 and twelve_bit.shape[3:] == (200, 264)
    done = json.loads((finished / "results/survey/tiny/sr.done.json").read_text())
    assert done["pixel_size_um"] == pytest.approx([0.05, 0.004, 0.004])


def test_metrics_cover_prediction_and_baseline(finished):
    table = pd.read_csv(finished / "results/pair/tiny/metrics.csv")
    assert table["method"].tolist() == ["sr", "bicubic"]
    assert table[["psnr", "ssim", "ms_ssim", "nrmse", "psnr_affine"]].notna().all(None)


def test_the_report_is_one_page_that_loads_nothing(finished):
    page = (finished / "results/report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert "@import" not in page and "url(" not in page
    for needed in ("test, model tiny", "pair, model tiny", "survey, model tiny", "max_steps: 20"):
        assert needed in page
    assert page.count("data:image/png;base64,") >= 9


def test_provenance_names_inputs_versions_parameters_seed_and_code(finished):
    content = json.loads((finished / "results/provenance.json").read_text())
    assert content["config"]["seed"] == 0 and content["packages"]["torch"]
    assert len(content["samples"]["train"]["hr"]["source"]["sha256"]) == 64
    assert {"ingest", "train", "predict_part"} <= set(content["code"])


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


def test_a_map_of_weights_is_ingested_and_learnt_with(mine):
    mask = np.zeros((2, 256, 256), np.uint8)
    mask[:, :, 60:] = 1
    tifffile.imwrite(mine / "mask.tif", mask, photometric="minisblack", metadata={"axes": "ZYX"})
    header, first, *others = SHEET.splitlines()
    rows = [f"{header}\tweight_path", f"{first}\tmask.tif", *(f"{row}\t" for row in others)]
    prepare(mine, sheet="\n".join(rows) + "\n")
    before = contents(mine)["results/models/tiny/train.done.json"]
    assert planned(mine, "train") == {"ingest_weight", "train_model", "train"}
    run(mine, "train")
    assert contents(mine)["results/models/tiny/train.done.json"] != before
    facts = saved_facts(mine / "results/models/tiny/best.safetensors")
    assert "results/train/weight.done.json" in facts["trained_on"]


def test_weights_as_they_are_need_no_row_to_learn_from(finished, tmp_path):
    options = {"hidden": [4, 8], "depth": 1}
    torch.save(build("resunet", 4, **options).state_dict(), tmp_path / "old.pth")
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
            {"simulate_acquisition", "ingest_hr", "ingest_lr", "register_pair"},
        ),
        (
            {"ingest": TINY["ingest"] | {"percentiles": [5, 95]}},
            {"ingest_hr", "crappify_acquisition", "train_model", "predict_init", "report"},
            {"simulate_acquisition"},
        ),
        (
            {"train": TINY["train"] | {"max_steps": 21}},
            {"train_model", "predict_init", "evaluate_prediction", "report"},
            {"simulate_acquisition", "ingest_hr", "crappify_acquisition", "register_pair"},
        ),
        (
            {"predict": {"tile": 32, "parts": 3}},
            {"predict_init", "predict_part", "predict_finalise"},
            {"ingest_hr", "crappify_acquisition", "train_model"},
        ),
        (
            {"report": {"title": "Another"}},
            {"report"},
            {
                "ingest_hr",
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
    assert not {"simulate_acquisition", "ingest_hr", "ingest_lr"} & found


def test_editing_pixels_of_a_raw_file_reruns_its_ingest_alone(tmp_path, tissue, write_tiff):
    import tifffile

    values = tissue((256, 256))
    path = write_tiff("raw.tif", values)
    prepare(tmp_path, sheet=f"sample\trole\tpath\na\ttrain\t{path}\nb\ttest\tsimulate:test\n")
    run(tmp_path, "ingest")
    os.utime(path)
    assert planned(tmp_path, "ingest") == set()
    values[100, 100] ^= 255
    tifffile.imwrite(path, values, photometric="minisblack")
    output = run(tmp_path, "--dry-run", "ingest")
    assert "sample=a" in output and "sample=b" not in output


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


def test_several_models_are_trained_and_reported_each(mine):
    prepare(mine, TINY | {"models": {"tiny": TINY["models"]["tiny"], "plain": {"arch": "bicubic"}}})
    run(mine)
    plain = pd.read_csv(mine / "results/test/plain/metrics.csv").set_index("method")
    assert plain.loc["sr", "psnr"] == pytest.approx(plain.loc["bicubic", "psnr"], abs=0.05)
    assert "test, model plain" in (mine / "results/report.html").read_text()


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
        "ingest": "ingest_hr",
        "crappify": "crappify_acquisition",
        "train": "train_model",
        "predict": "predict_finalise",
        "evaluate": "evaluate_prediction",
        "report": "report",
    }
    order = list(stages.values())
    for target, rule in stages.items():
        found = planned(tmp_path, target)
        assert rule in found, target
        assert not set(order[order.index(rule) + 1 :]) & found, target


PAIR_TO_LEARN_FROM = """sample\trole\tpath\tlr_path
pair\ttrain\tsimulate:pair-hr\tsimulate:pair-lr
train\ttrain\tsimulate:train\t
test\ttest\tsimulate:test\t
"""


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
    assert planned(tmp_path, "crappify") == {
        "calibrate_crappifier",
        "crappify_acquisition",
        "crappify_draw",
        "crappify",
    }


def test_editing_an_own_class_reruns_crappify(tmp_path):
    own = "class Same:\n    def __call__(self, grey, rng):\n        return grey + {}\n"
    (tmp_path / "own.py").write_text(own.format(0))
    step = {"name": "custom", "path": "own.py:Same"}
    prepare(tmp_path, TINY | {"crappify": {"noise": [step]}})
    run(tmp_path, "crappify")
    assert planned(tmp_path, "crappify") == set()
    (tmp_path / "own.py").write_text(own.format(1))
    assert planned(tmp_path, "crappify") == {"crappify_acquisition", "crappify"}


def test_an_own_class_that_fails_is_refused_while_parsing(tmp_path):
    (tmp_path / "own.py").write_text(
        "class Bad:\n    def __call__(self, g, r):\n        return 1\n"
    )
    prepare(tmp_path, TINY | {"crappify": {"noise": [{"name": "custom", "path": "own.py:Bad"}]}})
    output = run(tmp_path, "--dry-run", check=False)
    assert "crappify: own.py:Bad: returned shape () for" in output
    assert "Traceback" not in output


def test_snakemake_makes_its_own_report(mine):
    run(mine, "--report", "snakemake.html")
    assert "metrics.csv" in (mine / "snakemake.html").read_text()


def test_every_done_file_holds_a_content_hash(finished):
    hashes = contents(finished)
    assert len(hashes) == 16 and all(len(h) == 64 for h in hashes.values())


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
