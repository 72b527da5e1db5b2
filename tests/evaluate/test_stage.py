"""Planes are measured whole, in pieces and where both images show the same."""

import itertools
import math

import distributed
import numpy as np
import pandas as pd
import pytest
from pssrflow.evaluate.judged import Judged, Piece, matched_boxes
from pssrflow.evaluate.metrics import METRICS
from pssrflow.evaluate.stage import evaluate, fill, measure, measure_plane
from pssrflow.evaluate.structures import Mitochondria
from pssrflow.run.files import read_json
from pssrflow.run.shares import Shares
from pssrflow.run.workers import Workers
from pssrflow.volumes.store import Store


def test_a_plane_in_pieces_has_the_figures_of_the_whole(pair):
    truth, image = pair
    halves = [
        Piece(truth[:128], {"sr": image[:128]}),
        Piece(truth[128:], {"sr": image[128:]}),
    ]
    [whole] = measure_plane(lambda: [Piece(truth, {"sr": image})], 255)
    [parts] = measure_plane(lambda: halves, 255)
    for name in ("psnr", "psnr_affine", "nrmse", "pixel_error", "affine_gain"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)
    assert parts["ssim"] == pytest.approx(whole["ssim"], abs=0.02)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-5, 7)])
@pytest.mark.parametrize("size", [(10, 12), (4500, 2049)])
def test_matched_boxes_cover_what_both_images_show_once(shift, size):
    sr_size = tuple(n + 2 for n in size)
    hits = np.zeros(sr_size, np.int8)
    for sr_box, hr_box in matched_boxes(size, sr_size, shift):
        hits[sr_box] += 1
        assert all(b.start == a.start + d for a, b, d in zip(sr_box, hr_box, shift))
        assert all(0 <= b.start < b.stop <= n for b, n in zip(hr_box, size))
    seen = [n if d == 0 else n - abs(d) + min(2, max(0, -d)) for n, d in zip(size, shift)]
    assert hits.max() == 1 and hits.sum() == seen[0] * seen[1]


def test_the_table_has_a_row_per_plane_and_method(make_store, tissue, tmp_path):
    hr = make_store(tissue((2, 1, 3, 66, 70)))
    sr = make_store(tissue((2, 1, 3, 68, 72)), "sr")
    lr = make_store(tissue((2, 1, 3, 17, 18)), "lr")
    table = tmp_path / "metrics.csv"
    evaluate(Judged(Store(hr), Store(lr), Store(sr), 4), "s", "m", table, tmp_path / "done")
    frame = pd.read_csv(table)
    methods = ["sr", "bicubic", "lanczos", "smoothed", "denoised", "constant"]
    planes = set(itertools.product(range(2), [0], range(3), methods))
    assert set(frame[["t", "c", "z", "method"]].itertuples(index=False, name=None)) == planes
    assert np.isfinite(frame["psnr"]).all()
    # A constant has no error but the variance of the truth once its level is fitted.
    plane = Store(hr).level()[1, 0, 2].astype(float)
    [flat] = frame.query("method == 'constant' and t == 1 and z == 2")["psnr_affine"]
    assert flat == pytest.approx(10 * math.log10(255**2 / plane.var()), abs=1e-3)


def test_at_scale_1_the_input_itself_is_a_baseline(make_store, tissue):
    hr, lr = make_store(tissue((1, 1, 1, 66, 70))), make_store(tissue((1, 1, 1, 66, 70)), "lr")
    rows = {row["method"]: row for row in measure(Judged(Store(hr), Store(lr), Store(lr), 1))}
    assert list(rows) == ["sr", "input", "smoothed", "denoised", "constant"]
    assert rows["input"]["psnr"] == rows["sr"]["psnr"]


def test_the_columns_are_every_metric_in_its_order_raw_and_after_the_affine_fit(pair):
    truth, image = pair
    [row] = measure_plane(lambda: [Piece(truth, {"sr": image})], 255)
    fitted = [f"{name}_affine" for name in METRICS]
    freed = ["upsnr", "upsnr_affine", "micro_ssim"]
    assert list(row) == ["method", *METRICS, *fitted, "affine_gain", "affine_offset", *freed]
    assert list(METRICS)[:5] == ["psnr", "ssim", "ms_ssim", "nrmse", "pixel_error"]


def test_an_acquired_pair_is_measured_where_both_images_show_the_same(make_store, tissue):
    whole = tissue((1, 1, 1, 96, 104))
    hr, sr = make_store(whole), make_store(whole[..., 3:91, 2:98], "sr")
    lr = make_store(whole[..., 3:91:4, 2:98:4], "lr")
    for row in measure(Judged(Store(hr), Store(lr), Store(sr), 4, (3, 2))):
        assert row["psnr"] == math.inf if row["method"] == "sr" else row["psnr"] < 60


@pytest.fixture
def judged(make_store, tissue):
    """A prediction of several planes, one of which is a constant."""
    values = tissue((2, 1, 3, 66, 70))
    values[1, 0, 2] = 9
    hr, sr = make_store(values), make_store(tissue((2, 1, 3, 66, 70)), "sr")
    lr = make_store(tissue((2, 1, 3, 17, 18)), "lr")
    tasks = (Mitochondria(smallest=1e-4, radius=0.01),)
    return Judged(Store(hr), Store(lr), Store(sr), 4, crappified=False, tasks=tasks)


def same(folder, first, second):
    """Whether two tables are alike to the byte, and all that is told beside them."""
    tables = [(folder / f"{name}.csv").read_bytes() for name in (first, second)]
    told = [read_json(folder / f"{name}.json")["errors"] for name in (first, second)]
    return tables[0] == tables[1] and told[0] == told[1]


@pytest.mark.parametrize("parts", [1, 4, 16])
def test_parts_write_the_table_of_one_job(parts, judged, tmp_path):
    evaluate(judged, "s", "m", tmp_path / "whole.csv", tmp_path / "whole.json")
    shares = Shares(tmp_path / "parts", "")
    for part in range(parts - 1):
        fill(judged, shares, part, parts)
    evaluate(judged, "s", "m", tmp_path / "shared.csv", tmp_path / "shared.json", shares)
    assert same(tmp_path, "shared", "whole")


def test_dask_workers_write_the_table_of_this_process(judged, tmp_path):
    evaluate(judged, "s", "m", tmp_path / "here.csv", tmp_path / "here.json")
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster:
        workers = Workers(scheduler=cluster.scheduler_address)
        there = tmp_path / "there.csv", tmp_path / "there.json"
        evaluate(judged, "s", "m", *there, workers=workers)
    assert same(tmp_path, "there", "here")
