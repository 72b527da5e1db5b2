"""The crappifier: what each step does to the grey levels, and bytes that no cut can change."""

import os
import signal
import threading
import time

import dask
import distributed
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pssrflow.crappify.chain import (
    Crappifier,
    Plane,
    crappify_patch,
    crappify_plane,
    crappify_region,
)
from pssrflow.crappify.downsample import downsample_region
from pssrflow.crappify.kernels import KERNELS, Downsampling
from pssrflow.crappify.noise import Blur, Gaussian, LocalGaussian, Poisson, SaltPepper
from pssrflow.crappify.scanner import Counts, Lag, Readout, Scan
from pssrflow.crappify.squares import NOISE_BLOCK, NoiseKey
from pssrflow.crappify.stage import Work, begin, complete, crappify, fill
from pssrflow.errors import InputError
from pssrflow.ingest.settings import Settings
from pssrflow.run.files import read_json
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.run.workers import Workers
from pssrflow.volumes.intensity import Range
from pssrflow.volumes.store import Store

KEY = NoiseKey(0, "sample", 0, 0, 0, 0)
SMALL = Settings(chunk=(1, 32, 32), shard=(1, 32, 32))
CHAIN = Crappifier(
    Downsampling(4, "probe", 0.3),
    (
        Counts(dwell_us=1, counts_per_us=200),
        Lag(pixels=0.7),
        # After the lag: its draws depend on filtered pixels of the whole square.
        Poisson(intensity=0.7, spread=0.1),
        Blur(intensity=0.5),
        LocalGaussian(intensity=0.05, sigma=2),
        Readout(gain=0.9, offset=5, read_noise=3),
        SaltPepper(intensity=1),
    ),
    before=(Gaussian(intensity=4), Blur(intensity=0.8), Poisson(intensity=1)),
    scan=Scan(
        jitter=0.2, drift=0.7, drift_lines=50, flyback=1, flyback_pixels=9, bidirectional=0.5
    ),
)


def of(plane):
    return Plane(lambda rows, cols: plane[rows, cols], plane.shape, Range(0, 255, 0))


@pytest.mark.parametrize(
    ("kernel", "pillow"),
    [("bilinear", Image.BILINEAR), ("area", Image.BOX), ("bicubic", Image.BICUBIC)],
)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_downsampling_equals_that_of_pillow(kernel, pillow, scale, rng):
    plane = rng.integers(0, 256, (48 * scale, 36 * scale)).astype(np.float32)
    ours, _ = downsample_region(
        of(plane).read, plane.shape, Downsampling(scale, kernel), range(48), range(36)
    )
    theirs = np.asarray(Image.fromarray(plane).resize((36, 48), pillow))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_downsampling_covers_a_last_partial_pixel(kernel):
    plane = np.full((10, 13), 7, np.uint8)
    lr = crappify_plane(plane, Crappifier(Downsampling(4, kernel)), KEY, 0, 255)
    assert lr.shape == (3, 4)
    assert (lr == 7).all()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_rectangle_has_the_bytes_of_the_whole_plane(data):
    height, width = (data.draw(st.integers(1, 700)) for _ in "yx")
    plane = np.random.default_rng(height).integers(0, 256, (4 * height, 4 * width - 1), np.uint8)
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    whole = crappify_plane(plane, CHAIN, KEY, 0, 255)
    box = crappify_region(of(plane), CHAIN, KEY, range(y0, y1), range(x0, x1))
    np.testing.assert_array_equal(box, whole[y0:y1, x0:x1])


def flat(value, chain, dtype=np.uint8, white=255, size=512, key=KEY):
    plane = np.full((size, size), value, dtype)
    return crappify_plane(
        plane, Crappifier(Downsampling(1, "nearest"), chain), key, 0, white
    ).astype(float)


def test_gaussian_noise_has_the_asked_standard_deviation_and_gain():
    noisy = flat(100, (Gaussian(intensity=13, gain=4),))
    assert noisy.std() == pytest.approx(13, rel=0.02)
    assert noisy.mean() == pytest.approx(104, abs=0.2)


@pytest.mark.parametrize("share", [0.25, 1])
def test_poisson_noise_replaces_a_share_of_the_signal_by_a_count(share):
    noisy = flat(100, (Poisson(intensity=share),))
    assert noisy.mean() == pytest.approx(100, abs=0.2)
    # Rounding adds a variance of 1/12.
    assert noisy.var() == pytest.approx(100 * share**2 + 1 / 12, rel=0.03)


def test_salt_and_pepper_saturate_the_asked_percent_half_each():
    noisy = flat(100, (SaltPepper(intensity=2),))
    assert (noisy == 0).mean() == pytest.approx(0.01, rel=0.1)
    assert (noisy == 255).mean() == pytest.approx(0.01, rel=0.1)
    assert (noisy == 100).mean() == pytest.approx(0.98, rel=0.01)


def test_blur_has_the_asked_width():
    plane = np.zeros((65, 65), np.float32)
    plane[32, 32] = 1
    spot = crappify_plane(
        plane, Crappifier(Downsampling(1, "nearest"), (Blur(intensity=2),)), KEY, 0, 1
    )
    offsets = np.arange(65) - 32
    assert (spot.sum(0) * offsets**2).sum() / spot.sum() == pytest.approx(4, rel=0.02)


def test_spread_changes_the_intensity_from_plane_to_plane_not_within():
    chain = (Gaussian(intensity=13, spread=4),)
    sizes = [flat(120, chain, key=NoiseKey(0, "s", 0, 0, 0, z)) for z in range(40)]
    assert np.std([plane.std() for plane in sizes]) == pytest.approx(4, rel=0.35)
    halves = sizes[0][:, :NOISE_BLOCK].std(), sizes[0][:, NOISE_BLOCK:].std()
    assert halves[0] == pytest.approx(halves[1], rel=0.03)


def test_clip_between_steps_hides_what_left_the_range():
    steps = (Gaussian(intensity=0, gain=200), Gaussian(intensity=0, gain=-200))
    clipped = crappify_plane(
        np.full((4, 4), 100, np.uint8), Crappifier(Downsampling(1, "nearest"), steps), KEY, 0, 255
    )
    free = Crappifier(Downsampling(1, "nearest"), steps, clip=False)
    assert (clipped == 55).all()
    assert (crappify_plane(np.full((4, 4), 100, np.uint8), free, KEY, 0, 255) == 100).all()


@pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint16, 4095), (np.uint16, 65535), (np.float32, 1.0)]
)
def test_sixteen_bit_and_float_get_the_noise_of_eight_bit_in_their_own_range(dtype, white):
    chain = (Poisson(intensity=1), Gaussian(intensity=5))
    eight = flat(100, chain, np.float32)
    noisy = flat(100 / 255 * white, chain, dtype, white) / white * 255
    assert noisy.std() == pytest.approx(eight.std(), rel=0.01)
    assert noisy.mean() == pytest.approx(100, abs=0.3)


def test_noise_differs_between_samples_planes_realisations_and_seeds():
    keys = [KEY, NoiseKey(1, "sample", 0, 0, 0, 0), NoiseKey(0, "other", 0, 0, 0, 0)]
    keys += [NoiseKey(0, "sample", 1, 0, 0, 0), NoiseKey(0, "sample", 0, 0, 0, 1)]
    drawn = [flat(100, (Poisson(intensity=1),), size=32, key=key).tobytes() for key in keys]
    assert len(set(drawn)) == len(keys)


def test_a_training_patch_is_downsampled_from_its_surroundings(tissue):
    plane = tissue((256, 256))
    quiet = Crappifier(Downsampling(4, "bicubic"), (Blur(intensity=1),))
    patch = crappify_patch(of(plane), quiet, KEY, range(9, 30), range(2, 21))
    np.testing.assert_array_equal(patch, crappify_plane(plane, quiet, KEY, 0, 255)[9:30, 2:21])


def test_noise_counts_from_black_and_may_lie_below_it(tissue, make_store, tmp_path):
    plain = tissue((1, 1, 1, 512, 512)).astype(np.uint16) * 16
    plain[..., :100, :100] = 0
    noise = Crappifier(Downsampling(4), (Poisson(intensity=1), Gaussian(intensity=20)))
    made = []
    for name, black in (("plain", 0), ("offset", 20_000)):
        hr = make_store(plain + np.uint16(black), name, black=black)
        lr = Store(tmp_path / f"{name}.lr.ome.zarr")
        work = Work.of(Store(hr), lr, noise, KEY)
        crappify(work, tmp_path / f"{name}.json", Settings(), Budget(1, 4000))
        made.append(lr.level()[0, 0, 0].astype(int))
    bright = made[0] > 100
    np.testing.assert_allclose(made[1][bright] - 20_000, made[0][bright], atol=1)
    # A detector without an offset clips what one with an offset records.
    assert made[0].min() == 0 and made[1].min() < 20_000


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("chunk", "shard"), [(64, 64), (100, 300), (256, 512)])
def test_the_dask_rule_writes_the_bytes_of_a_single_call(
    chunk, shard, threads, tissue, make_store, tmp_path
):
    values = tissue((1, 1, 2, 1100, 1301))
    hr, lr = make_store(values, shard=(1, 256, 256)), tmp_path / "lr.ome.zarr"
    sizes = Settings(chunk=(2, chunk, chunk), shard=(2, shard, shard))
    budget = Budget(threads, 4000)
    crappify(Work.of(Store(hr), Store(lr), CHAIN, KEY), tmp_path / "lr.json", sizes, budget)
    levels = Store(hr).volume.intensity.ranges[0]
    expected = [
        crappify_plane(
            values[0, 0, z], CHAIN, NoiseKey(0, "sample", 0, 0, 0, z), levels.black, levels.white
        )
        for z in range(2)
    ]
    np.testing.assert_array_equal(Store(lr).level()[0, 0], expected)


def test_a_dask_cluster_writes_the_bytes_of_this_process(tissue, make_store, tmp_path):
    hr = make_store(tissue((1, 1, 2, 900, 1100)), shard=(1, 512, 512))

    def made(name, cluster):
        lr, done = Store(tmp_path / f"{name}.ome.zarr"), tmp_path / f"{name}.json"
        sizes = Settings(chunk=(1, 64, 64), shard=(1, 128, 128))
        key = NoiseKey(0, "sample", 3, 0, 0, 0)
        crappify(Work.of(Store(hr), lr, CHAIN, key), done, sizes, Budget(2, 4000), cluster)
        return read_json(tmp_path / f"{name}.json")["content"]

    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster:
        assert made("cluster", Workers(scheduler=cluster.scheduler_address)) == made("here", None)


def test_processes_write_the_bytes_of_threads(tissue, make_store, tmp_path, monkeypatch):
    hr = make_store(tissue((1, 1, 1, 600, 520)))

    def made(name, apart):
        monkeypatch.setattr("pssrflow.crappify.stage.APART", apart)
        work = Work.of(Store(hr), Store(tmp_path / f"{name}.ome.zarr"), CHAIN, KEY)
        crappify(work, tmp_path / f"{name}.json", SMALL, Budget(2, 4000))
        return read_json(tmp_path / f"{name}.json")["content"]

    assert made("processes", 1) == made("threads", 1000)


def test_a_cluster_that_does_not_answer_is_named(make_store, tissue, tmp_path):
    hr = make_store(tissue((1, 1, 1, 64, 64)))
    work = Work.of(Store(hr), Store(tmp_path / "lr.ome.zarr"), CHAIN, KEY)
    rest = (SMALL, Budget(1, 4000), Workers(scheduler="tcp://127.0.0.1:9"))
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(InputError, match=r"dask\.scheduler: tcp://127\.0\.0\.1:9 does not answer"),
    ):
        crappify(work, tmp_path / "lr.json", *rest)


def test_planes_smaller_than_an_lr_pixel_are_refused(make_store, tissue, tmp_path):
    hr = make_store(tissue((1, 1, 1, 3, 64)))
    work = Work.of(Store(hr), Store(tmp_path / "lr.ome.zarr"), CHAIN, KEY)
    with pytest.raises(InputError, match=r"planes of 3 x 64 pixels and crappify\.scale 4"):
        crappify(work, tmp_path / "lr.json", SMALL, Budget(1, 4000))


def test_pixels_that_are_not_finite_are_refused():
    plane = np.ones((64, 64), np.float32)
    plane[20, 31] = np.nan
    with pytest.raises(InputError, match=r"sample 'sample': pixels that are not finite"):
        crappify_plane(plane, Crappifier(Downsampling(4)), KEY, 0, 1)


def test_little_memory_means_fewer_workers_never_none():
    assert Budget(8, 4000).workers(1e9) == 3
    assert Budget(8, 100_000).workers(1e9) == 8
    assert Budget(8, 10).workers(1e9) == 1


def test_lr_pixels_are_larger_and_lie_where_their_hr_pixels_do(make_store, tissue, tmp_path):
    hr, lr = make_store(tissue((1, 1, 1, 128, 128))), tmp_path / "lr.ome.zarr"
    area = Crappifier(Downsampling(4, "area"))
    work = Work.of(Store(hr), Store(lr), area, KEY)
    crappify(work, tmp_path / "lr.json", SMALL, Budget(1, 4000))
    volume = Store(lr).volume
    assert volume.pixel_size == (None, 0.016, 0.016)
    # The first LR pixel is centred 1.5 HR pixels into the image.
    assert volume.origin[1] * volume.pixel_size[1] == pytest.approx(1.5 * 0.004)


@pytest.mark.parametrize("parts", [1, 4, 16])
def test_parts_crappify_the_bytes_of_one_job(parts, tissue, make_store, tmp_path):
    hr = Store(make_store(tissue((1, 2, 2, 900, 1100)), shard=(1, 512, 512)))
    sizes = Settings(chunk=(1, 64, 64), shard=(1, 128, 128))
    budget = Budget(2, 4000)
    work = Work.of(hr, Store(tmp_path / "whole.ome.zarr"), CHAIN, KEY)
    crappify(work, tmp_path / "whole.json", sizes, budget)
    work = Work.of(hr, Store(tmp_path / "shared.ome.zarr"), CHAIN, KEY)
    shares, done = Shares(tmp_path / "parts", ""), tmp_path / "shared.json"
    begin(work, done, sizes, shares, parts)
    for part in range(parts - 1):
        fill(work, shares, part, budget)
    complete(work, done, sizes, shares, budget)
    whole, shared = read_json(tmp_path / "whole.json"), read_json(done)
    assert {key for key in whole if whole[key] != shared[key]} == {"store"}


def test_of_four_dask_workers_one_may_be_killed(tissue, make_store, tmp_path):
    hr = Store(make_store(tissue((1, 1, 4, 1100, 1300)), shard=(1, 512, 512)))
    sizes = Settings(chunk=(1, 64, 64), shard=(1, 128, 128))
    made = {}
    with distributed.LocalCluster(4, threads_per_worker=1, dashboard_address=":0") as cluster:
        workers = Workers(scheduler=cluster.scheduler_address)
        for name, where in (("here", None), ("there", workers)):
            lr = Store(tmp_path / f"{name}.ome.zarr")
            if where:
                victim = next(iter(cluster.workers.values())).pid
                # As soon as the first shard is written.
                killer = threading.Thread(target=kill_when, args=(tmp_path / lr.path, victim))
                killer.start()
            work = Work.of(hr, lr, CHAIN, KEY)
            crappify(work, tmp_path / f"{name}.json", sizes, Budget(2, 4000), where)
            made[name] = read_json(tmp_path / f"{name}.json")["content"]
        killer.join()
        assert victim not in {worker.pid for worker in cluster.workers.values()}
    assert made["there"] == made["here"]


def kill_when(store, pid):
    """Kill a process as soon as a store has a shard."""
    while not any((store / "0").glob("c/**/*")):
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
