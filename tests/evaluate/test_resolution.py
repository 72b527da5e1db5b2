"""Resolution and artefacts, in cases whose value is known in closed form."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.resolution import SEVENTH, Spectra, crossing, ring_numbers
from pssrflow.evaluate.resolved import FIRST, NONE, SECOND
from pssrflow.evaluate.stage import Evaluation, errors_of
from pssrflow.pairs.aligned import Scan
from pssrflow.volumes.interpolation import interpolated
from pssrflow.volumes.store import Store
from scipy import ndimage

SHAPES = [(512, 512), (501, 640), (383, 257)]
# Deviation of the specimen, pixels of the Gaussian that it is blurred by, deviation of the noise.
SPREAD, SIGMA, NOISE = 30.0, 2.0, 10.0


def blurred(shape, rng, sigma=SIGMA):
    image = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return image / image.std() * SPREAD + 100


def noisy(image, rng, noise=NOISE):
    return (image + noise * rng.standard_normal(image.shape)).astype(np.float32)


def two_scans(shape, rng, **more):
    specimen = blurred(shape, rng)
    images = {"sr": noisy(specimen, rng), "scan": noisy(specimen, rng), "lr": specimen}
    return Spectra.of(images | more, "lr", "scan", min(shape) // 4)


@pytest.mark.parametrize("shape", SHAPES)
def test_correlation_is_signal_over_signal_and_noise(shape, rng):
    found = two_scans(shape, rng)
    curve, q = found.correlation("sr"), found.frequencies[: found.rings + 1]
    power = 4 * math.pi * (SPREAD * SIGMA) ** 2 * np.exp(-((2 * math.pi * SIGMA * q) ** 2))
    expected = power / (power + NOISE**2)
    # Of every ring but those of few frequencies, within its own noise.
    many = slice(5, None)
    assert np.abs(curve - expected)[many].max() < 1.5 * found.three_sigma()[many].max()
    assert np.abs(curve - expected)[many].mean() < 0.04
    # S / (S + N) = 1 / 7.
    frequency = math.sqrt(math.log(6 * power[0] / NOISE**2)) / (2 * math.pi * SIGMA)
    assert crossing(curve, SEVENTH) / (2 * found.rings) == pytest.approx(frequency, rel=0.04)


def test_images_that_have_nothing_in_common_have_no_resolution(rng):
    shape = (512, 512)
    images = {name: noisy(np.zeros(shape), rng) for name in ("sr", "scan", "lr")}
    found = Spectra.of(images, "lr", "scan")
    # But for rings of a few frequencies, by chance.
    assert not crossing(found.correlation("sr"), SEVENTH) > 4
    below = found.correlation("sr")[1:] < found.three_sigma()[1:]
    assert below.mean() > 0.99


def test_an_image_beside_itself_is_resolved_to_two_pixels(rng):
    image = noisy(blurred((300, 200), rng), rng)
    found = Spectra.of({"sr": image, "scan": 2 * image - 7, "lr": image}, "lr", "scan", 50)
    assert crossing(found.correlation("sr"), SEVENTH) == found.rings
    assert found.likeness("sr", 1).rsp == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cut_off", [0.1, 0.2, 0.35])
def test_decorrelation_finds_where_signal_ends(cut_off, shape, rng):
    rows, cols = (np.fft.fftfreq(n) for n in shape)
    inside = np.hypot(rows[:, None], cols) <= cut_off
    image = np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape)) * inside).real
    image = noisy(image / image.std() * SPREAD, rng, 1)
    found = Spectra.of({"lr": image}, "lr", rings=100)
    assert found.cut_off("lr") == pytest.approx(cut_off, abs=0.012)


def test_noise_alone_has_no_cut_off_below_that_of_pixels(rng):
    found = Spectra.of({"lr": noisy(np.zeros((512, 512)), rng)}, "lr")
    assert math.isnan(found.cut_off("lr")) or found.cut_off("lr") > 0.48


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_explains_the_lr_image_up_to_its_noise(shape, rng):
    fine = blurred(shape, rng, 1.0)
    clean = 0.5 * ndimage.gaussian_filter(fine, 2.0, mode="wrap") + 3
    images = {"sr": fine.astype(np.float32), "lr": noisy(clean, rng, 2.0)}
    found = Spectra.of(images, "lr", rings=min(shape) // 2).likeness("sr", 4)
    assert found.sigma == pytest.approx(2.0, abs=0.1)
    assert found.gain == pytest.approx(0.5, rel=0.02)
    # What is left is the noise.
    assert found.rse == pytest.approx(2.0, rel=0.05)
    assert found.rsp == pytest.approx(math.sqrt(1 - 4 / (clean.var() + 4)), abs=0.01)


def test_detail_that_the_lr_image_knows_nothing_of_makes_it_less_alike(rng):
    fine = blurred((512, 512), rng)
    invented = fine + 3 * blurred((512, 512), rng)
    images = {"sr": fine, "bad": invented, "lr": fine + 0}
    found = Spectra.of({k: v.astype(np.float32) for k, v in images.items()}, "lr")
    assert found.likeness("bad", 4).rsp < 0.5 < 0.99 < found.likeness("sr", 4).rsp


@settings(max_examples=60, deadline=None)
@given(st.integers(32, 200), st.integers(32, 200), st.integers(1, 64))
def test_every_frequency_lies_in_a_ring_that_there_is(height, width, rings):
    numbers = ring_numbers((height, width), rings)
    assert numbers[0, 0] == 0
    assert 0 <= numbers.min() <= numbers.max() <= math.ceil(math.sqrt(2) * rings)


def test_json_keeps_what_rings_hold(rng):
    found = two_scans((128, 130), rng)
    again = Spectra.from_json(found.to_json())
    np.testing.assert_allclose(again.sums, found.sums, rtol=1e-5)
    assert (again.names, again.lr, again.scan) == (found.names, found.lr, found.scan)


@pytest.fixture
def scanned(make_store, rng):
    """Two scans of a specimen at 4 nm, and an interpolation of the first, degraded."""

    def build(crappified=True, twice=True):
        specimen = np.stack([blurred((512, 500), rng, 4.0) for _ in range(3)])[None, None]
        first, second = (noisy(specimen, rng) for _ in range(2))
        seen = first if crappified else noisy(specimen, rng)
        *above, height, width = seen.shape
        lr = seen.reshape(*above, height // 4, 4, width // 4, 4).mean((-3, -1)).astype(np.float32)
        sr = np.stack([interpolated(p, 4) for p in lr[0, 0]])[None, None]
        named = {"hr": first, "lr": lr, "sr": sr, "hr2": second}
        *stores, other = (Store(make_store(values, name)) for name, values in named.items())
        scan = Scan(other, (0, 0)) if twice else None
        return Judged(*stores, scale=4, crappified=crappified, second=scan)

    return build


def resolution(judged):
    work = Evaluation(judged)
    planes = {}
    for unit in work.units:
        planes.setdefault(unit[0], []).append(work.measured(unit))
    return errors_of(work, planes)["0"]["resolution"]


@pytest.mark.parametrize(
    ("crappified", "twice", "said"),
    [(True, True, SECOND), (False, False, FIRST), (True, False, NONE)],
)
def test_resolution_is_that_of_an_independent_scan_in_physical_units(
    crappified, twice, said, scanned
):
    judged = scanned(crappified, twice)
    found = resolution(judged)
    assert found["with"] == said
    assert found["unit"] == "um" and found["pieces"] == 3
    methods, pixel = found["methods"], judged.sr.volume.pixel_side
    assert found["pixel"] == pixel
    assert all(("frc" in one) == (said != NONE) for name, one in methods.items() if name != "hr")
    # The truth is compared with another scan alone.
    assert ("frc" in methods["hr"]) == (said == SECOND)
    if said != NONE:
        # Interpolation of LR pixels 4 times as large resolves less than two of them.
        assert 4 * pixel < methods["sr"]["frc"][0] < 16 * pixel
    # The LR image explains itself.
    assert methods["bicubic"]["rsp"] == pytest.approx(1, abs=1e-6)


def test_a_border_of_which_the_second_scan_knows_nothing_is_left_out(scanned):
    judged = scanned()
    moved = replace(judged, second=replace(judged.second, shift=(40, -30)))
    assert resolution(moved)["pieces"] == 3


def test_constant_images_tell_no_resolution(make_store):
    values = np.full((1, 1, 1, 128, 128), 7, np.float32)
    stores = [Store(make_store(v, n)) for v, n in ((values, "a"), (values[..., ::4, ::4], "b"))]
    found = resolution(Judged(stores[0], stores[1], stores[0], scale=4))
    assert found["pieces"] == 0 and found["methods"] == {}
