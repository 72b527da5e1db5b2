"""The physical scanner: each part has the statistics that its numbers promise."""

import numpy as np
import pytest
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.registry import make_step
from pssrflow.crappify.scanner import Counts, Lag, Readout, Scan
from pssrflow.crappify.squares import NoiseKey
from pssrflow.errors import InputError
from scipy import ndimage

KEY = NoiseKey(0, "scan", 0, 0, 0, 0)
SHARED = {"filter": [[1], [2], [1]]}


def flat(level, *steps, size=512):
    plane = np.full((size, size), level, np.float32)
    chain = Crappifier(Downsampling(1, "nearest"), steps, clip=False)
    return crappify_plane(plane, chain, KEY, 0, 255).astype(float)


@pytest.mark.parametrize("dwell", [0.25, 1, 4])
@pytest.mark.parametrize("level", [20, 120])
def test_counts_keep_the_mean_and_their_variance_falls_with_the_dwell_time(dwell, level):
    # 40 counts a microsecond at full signal, of which there is level / 255.
    found = flat(level, Counts(dwell_us=dwell, counts_per_us=40), Readout(gain=0.5))
    assert found.mean() == pytest.approx(level / 2, rel=0.01)
    assert found.var() == pytest.approx(0.25 * level * 255 / (40 * dwell), rel=0.05)


def test_the_variance_of_a_detector_is_a_line_of_its_mean_from_the_dark_level():
    levels = np.array([30, 80, 130, 180])
    images = [
        flat(
            v,
            Counts(dwell_us=1, counts_per_us=235, dark=20),
            Readout(gain=0.8, offset=12, read_noise=3),
        )
        for v in levels
    ]
    means = np.array([i.mean() for i in images])
    np.testing.assert_allclose(means, 0.8 * (levels - 20) + 12, rtol=0.01)
    slope, base = np.polyfit(means, [i.var() for i in images], 1)
    # One count is 0.8 grey levels; 235 of them are all that lies between dark and white.
    assert slope == pytest.approx(0.8, rel=0.05)
    assert base + slope * 12 == pytest.approx(9, abs=2)


def test_the_detector_saturates_and_its_digitiser_has_few_levels():
    found = flat(150, Readout(gain=1, offset=0, read_noise=40, saturation=180, bits=4))
    assert found.max() == pytest.approx(round(180 / 17) * 17, abs=1e-3)
    assert np.isin(np.round(found), np.arange(16) * 17).all()


def test_lag_correlates_noise_along_the_fast_axis_alone():
    found = flat(100, Counts(dwell_us=1, counts_per_us=60), Lag(pixels=0.8), size=700)
    noise = found - found.mean()

    def correlation(a, b):
        return (a * b).mean() / noise.var()

    share = np.exp(-1 / 0.8)
    for step in (1, 2):
        along = correlation(noise[:, step:], noise[:, :-step])
        assert along == pytest.approx(share**step, abs=0.015)
    assert correlation(noise[1:], noise[:-1]) == pytest.approx(0, abs=0.01)
    assert found.mean() == pytest.approx(100, rel=0.01)
    shot = 100 * 255 / 60
    assert noise.var() == pytest.approx(shot * (1 - share) / (1 + share), rel=0.03)


def test_lag_smears_what_was_scanned_towards_later_pixels():
    plane = np.zeros((9, 41), np.float32)
    plane[:, 20] = 255
    lag = Crappifier(Downsampling(1, "nearest"), (Lag(pixels=1.5),))
    spot = crappify_plane(plane, lag, KEY, 0, 255)[4]
    assert (spot[:20] == 0).all()
    np.testing.assert_allclose(spot[21:25] / spot[20:24], np.exp(-1 / 1.5), rtol=1e-4)
    assert spot.sum() == pytest.approx(255, rel=1e-4)


def displacements(scan, rows=4096, cols=64, key=KEY):
    return scan.displacement(key, range(rows), range(cols))


def test_jitter_moves_each_line_as_a_whole_along_x():
    along_y, along_x = displacements(Scan(jitter=0.4))
    assert (along_y == 0).all()
    assert (along_x == along_x[:, :1]).all()
    assert along_x[:, 0].std() == pytest.approx(0.4, rel=0.05)
    assert np.corrcoef(along_x[1:, 0], along_x[:-1, 0])[0, 1] == pytest.approx(0, abs=0.05)


def test_drift_wanders_slowly_along_both_axes():
    scan = Scan(drift=1.5, drift_lines=64)
    keys = [NoiseKey(0, "scan", 0, 0, 0, z) for z in range(8)]
    found = [displacements(scan, key=key) for key in keys]
    for courses in ([y for y, _ in found], [x[:, 0] for _, x in found]):
        assert np.concatenate(courses).std() == pytest.approx(1.5, rel=0.12)
        assert np.abs(np.diff(courses, axis=1)).max() < 1.5 * 8 * np.pi / 2 / 64
        apart = np.concatenate([c[128:] * c[:-128] for c in courses]).mean() / 1.5**2
        assert apart == pytest.approx(0, abs=0.15)


def test_flyback_displaces_the_start_of_a_line_and_dies_away():
    _, along_x = displacements(Scan(flyback=3, flyback_pixels=10))
    np.testing.assert_allclose(along_x[7], 3 * np.exp(-np.arange(64) / 10))


def test_a_bidirectional_scan_displaces_odd_lines_against_even_ones():
    _, along_x = displacements(Scan(bidirectional=0.6))
    np.testing.assert_allclose(along_x[1::2] - along_x[::2], 0.6)
    assert along_x.mean() == pytest.approx(0)


def test_any_rows_have_the_displacement_of_the_whole_plane():
    scan = Scan(jitter=0.3, drift=1, drift_lines=40, flyback=2, flyback_pixels=8, bidirectional=0.5)
    whole = displacements(scan, 900, 300)
    part = scan.displacement(KEY, range(411, 730), range(20, 133))
    np.testing.assert_array_equal(part[0], whole[0][411:730])
    np.testing.assert_array_equal(part[1], whole[1][411:730, 20:133])


@pytest.mark.parametrize("kernel", ["bilinear", "probe", "linear"])
def test_a_displaced_beam_sees_what_lies_there(kernel):
    """A ramp shows where the beam was: one grey level a pixel."""
    scan = Scan(jitter=0.3, drift=0.5, drift_lines=30, flyback=2, bidirectional=0.5)
    y, x = np.mgrid[:512, :512].astype(np.float32)
    along_y, along_x = scan.displacement(KEY, range(128), range(128))
    for ramp, moved in ((y, along_y[:, None] + np.zeros((1, 128))), (x, along_x)):
        lr = crappify_plane(ramp, Crappifier(Downsampling(4, kernel), scan=scan), KEY, 0, 511)
        still = crappify_plane(ramp, Crappifier(Downsampling(4, kernel)), KEY, 0, 511)
        inner = slice(12, -12), slice(12, -12)
        np.testing.assert_allclose((lr - still)[inner], 4 * moved[inner], atol=0.05)


def test_a_probe_samples_the_scene_and_does_not_average_pixels():
    """A scene of known Fourier content, scanned by spots of two sizes."""
    y, x = np.mgrid[:400, :400].astype(np.float32)
    scene = np.sin(2 * np.pi * (0.11 * x + 0.07 * y)) + np.sin(2 * np.pi * 0.3 * x)
    # The same spot at a step four times larger: the scene itself at single places.
    centre = 4 * np.arange(100) + 1.5
    yy, xx = np.meshgrid(centre, centre, indexing="ij")
    truth = np.sin(2 * np.pi * (0.11 * xx + 0.07 * yy)) + np.sin(2 * np.pi * 0.3 * xx)
    inner = slice(4, -4), slice(4, -4)
    found = crappify_plane(scene, Crappifier(Downsampling(4, "probe")), KEY, -2, 2)
    assert np.abs(found - truth)[inner].max() < 0.06
    averaged = crappify_plane(scene, Crappifier(Downsampling(4, "area")), KEY, -2, 2)
    assert np.abs(averaged - truth)[inner].max() > 0.5
    # A wider spot: a Gaussian of that width takes its share of each frequency.
    wide = crappify_plane(scene, Crappifier(Downsampling(4, "probe", 0.8)), KEY, -2, 2)
    sigma = 0.8 * 4 / np.sqrt(8 * np.log(2))
    blurred = ndimage.gaussian_filter(scene, sigma)
    middle = (
        blurred[1::4, 1::4] + blurred[2::4, 2::4] + blurred[1::4, 2::4] + blurred[2::4, 1::4]
    ) / 4
    shares = [np.exp(-2 * (np.pi * sigma * f) ** 2) for f in (np.hypot(0.11, 0.07), 0.3)]
    expected = shares[0] * np.sin(2 * np.pi * (0.11 * xx + 0.07 * yy))
    expected = expected + shares[1] * np.sin(2 * np.pi * 0.3 * xx)
    assert np.abs(wide - expected)[inner].max() < 0.02
    assert np.abs(middle - expected)[inner].max() < 0.2


def test_grain_has_the_variance_that_is_asked_for_and_leaves_the_mean():
    """Shot noise of 2 grey levels a count at 100 above dark, and read noise of 3."""
    step = make_step({"name": "grain", "count_gain": 2, "read_noise": 3, "dark": 20} | SHARED)
    window = np.full((512, 512), 120, np.float32)
    assert step.halo == ((1, 1), (0, 0))
    inner = np.s_[1:-1, :]
    noise = step.apply(window, inner, np.random.default_rng(0)) - 120
    assert noise.shape == window[inner].shape
    assert abs(noise.mean()) < 0.2
    assert noise.var() == pytest.approx(2 * 100 + 9, rel=0.05)
    # Weights 1, 2, 1 along y: products of neighbours are 4 of 6, of the next but one 1 of 6.
    for lag, share in ((1, 4 / 6), (2, 1 / 6)):
        assert (noise[lag:] * noise[:-lag]).mean() / noise.var() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            {"name": "response", "levels": [0, 1], "values": [0, 1, 2]},
            r"values: found 3\. Accepted: as many as levels, 2",
        ),
        (
            {"name": "response", "levels": [0, 5, 4], "values": [0, 1, 2]},
            r"levels: found one that is lower by 1 than the one before",
        ),
        ({"name": "grain", "filter": [[1, 1]]}, r"filter: found 1 rows of 2\. Accepted: .*odd"),
        ({"name": "grain", "filter": [[1], [1, 2, 3], [1]]}, r"filter: found 3 rows of 1, 3\."),
        ({"name": "grain", "filter": [[0]]}, r"filter: found only zeros"),
        ({"name": "readout", "gain": -1}, r"gain: found -1\. Accepted: at least 1e-06"),
        ({"name": "readout", "read_noise": float("nan")}, r"read_noise: found nan"),
        ({"name": "counts", "dwell_us": 0, "counts_per_us": 10}, r"dwell_us: found 0\."),
        ({"name": "lag", "pixels": 99}, r"pixels: found 99\. Accepted: at most 16"),
    ],
)
def test_numbers_outside_their_meaning_are_refused(step, message):
    with pytest.raises(InputError, match=message):
        make_step(step)


@pytest.mark.parametrize("scan", [{"jitter": -1}, {"flyback": float("inf")}])
def test_displacements_outside_their_meaning_are_refused(scan):
    with pytest.raises(InputError, match=f"scan: {next(iter(scan))}: found"):
        Crappifier.from_config(4, "area", (), scan=scan)
