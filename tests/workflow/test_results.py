"""What a run leaves: stores, metrics, report, provenance."""

import json
import re
import subprocess
import sys

import numpy as np
import ome_zarr.io
import ome_zarr.reader
import pandas as pd
import pytest
import zarr
from ome_zarr_models.v05 import Image
from runs import contents, run


def test_every_store_is_accepted_by_the_public_validator_and_reader(finished):
    stores = list((finished / "results").rglob("*.ome.zarr"))
    assert len(stores) == 13
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
    assert table["method"].tolist() == [
        "sr",
        "bicubic",
        "lanczos",
        "smoothed",
        "denoised",
        "constant",
    ]
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


def test_every_done_file_holds_a_content_hash(finished):
    hashes = contents(finished)
    assert len(hashes) == 22 and all(len(h) == 64 for h in hashes.values())


def test_snakemake_makes_its_own_report(mine):
    run(mine, "--report", "snakemake.html")
    assert "metrics.csv" in (mine / "snakemake.html").read_text()
