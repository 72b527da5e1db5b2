"""The simulated microscope: seamless tissue, honest noise, files as a microscope writes them."""

import numpy as np
import pytest
import tifffile
from pssrflow.errors import InputError
from pssrflow.simulate import cells, microscope, organelles
from pssrflow.simulate.microscope import Place, acquire, detect, scan
from pssrflow.simulate.settings import Microscope
from pssrflow.simulate.tissue import scene
from skimage.registration import phase_cross_correlation

SEED = 7
HERE = Place(SEED)
FAST = Microscope()
# Enough electrons that noise is below a hundredth of the signal.
CLEAR = Microscope(counts_per_us=5000.0, gain=3.0, offset=0.0, read_noise=0.0, bits=16)
COARSE = CLEAR.changed(step_nm=16.0)


def grid(start, count, pitch=4.0):
    return (start + np.arange(count) + 0.5) * pitch


def correlation(a, b):
    return np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]


def binned(image, k):
    return image.reshape(image.shape[0] // k, k, image.shape[1] // k, k).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def field():
    """A clear HR scan, 1024 pixels of 4 nm."""
    return scan(CLEAR, HERE, 3, slice(0, 1024), slice(0, 1024)).astype(float)


@pytest.fixture
def blank(monkeypatch):
    """Files are about files: a scene that costs nothing."""
    monkeypatch.setattr(
        microscope, "scene", lambda seed, z, y, x: np.full((len(y), len(x)), 0.5, np.float32)
    )


def test_neighbouring_blocks_of_the_scene_fit_without_a_seam():
    whole = scene(SEED, 150.0, grid(-40, 300), grid(90, 300))
    for top, left in ((0, 0), (0, 130), (130, 0), (130, 130)):
        part = scene(SEED, 150.0, grid(top - 40, 170), grid(left + 90, 170))
        np.testing.assert_allclose(part, whole[top : top + 170, left : left + 170], atol=2e-4)


def test_bodies_on_a_seam_are_whole(monkeypatch):
    crowded = organelles.Particle((90, 150, 150), (30, 60), 6.0, 0.9, 1.0)
    monkeypatch.setattr(organelles, "PARTICLES", (crowded,))
    whole = scene(SEED, 150.0, grid(0, 400), grid(0, 300))
    for top in range(0, 400, 50):
        part = scene(SEED, 150.0, grid(top, 50), grid(0, 300))
        np.testing.assert_allclose(part, whole[top : top + 50], atol=5e-4)


def test_a_place_far_from_the_origin_is_rendered_as_exactly():
    far = 4_000_000
    whole = scene(SEED, 0.0, grid(far, 96), grid(far, 96))
    part = scene(SEED, 0.0, grid(far + 32, 64), grid(far + 32, 64))
    np.testing.assert_allclose(part, whole[32:, 32:], atol=2e-4)


def test_no_cell_near_a_square_is_forgotten(monkeypatch):
    few = scene(SEED, 150.0, grid(0, 256), grid(0, 256))
    monkeypatch.setattr(cells, "NEARBY", 20)
    many = scene(SEED, 150.0, grid(0, 256), grid(0, 256))
    assert np.mean(np.abs(few - many) > 0.01) < 1e-3


def test_another_seed_is_other_tissue():
    a, b = (scene(seed, 0.0, grid(0, 200), grid(0, 200)) for seed in (1, 2))
    assert abs(correlation(a, b)) < 0.3


def test_tissue_is_mostly_light_with_thin_dark_membranes():
    signal = scene(SEED, 150.0, grid(0, 512), grid(0, 512))
    assert signal.dtype == np.float32
    assert signal.min() >= 0
    assert signal.max() <= 1
    assert 0.08 < np.mean(signal < 0.35) < 0.35
    assert 0.5 < np.median(signal) < 0.85
    steep = np.abs(np.diff(signal, axis=0)) > 0.15
    assert np.mean(steep) > 0.01


def test_planes_change_slowly():
    planes = [scene(SEED, z, grid(0, 384), grid(0, 384)) for z in (0.0, 50.0, 800.0)]
    near, far = correlation(planes[0], planes[1]), correlation(planes[0], planes[2])
    assert near > 0.3
    assert near > far + 0.2


@pytest.mark.parametrize("bits", [8, 16])
def test_mean_and_variance_follow_counts_gain_offset_and_read_noise(bits):
    scope = Microscope(gain=1.5, offset=20.0, read_noise=3.0, bits=bits)
    grey = detect(np.full((400, 400), 0.6, np.float32), scope, np.random.default_rng(0))
    counts = 0.6 * scope.counts_per_us * scope.dwell_us
    assert grey.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert grey.mean() == pytest.approx(20 + 1.5 * counts, abs=0.2)
    # A twelfth is the variance of rounding.
    assert grey.var() == pytest.approx(1.5**2 * counts + 9 + 1 / 12, rel=0.02)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_detector_saturates_at_its_depth_and_at_zero(bits):
    rng = np.random.default_rng(0)
    bright = FAST.changed(bits=bits, gain=1e5)
    dark = FAST.changed(bits=bits, offset=0.0, read_noise=50.0)
    assert (detect(np.ones((8, 8)), bright, rng) == 2**bits - 1).all()
    assert detect(np.zeros((8, 8)), dark, rng).min() == 0


def test_bytes_do_not_depend_on_the_cut():
    whole = scan(FAST, HERE, 2, slice(100, 400), slice(200, 530))
    pieces = [
        [scan(FAST, HERE, 2, slice(*r), slice(*c)) for c in ((200, 256), (256, 301), (301, 530))]
        for r in ((100, 333), (333, 400))
    ]
    np.testing.assert_array_equal(np.block(pieces), whole)


def test_noise_is_drawn_anew_for_each_draw_and_only_the_noise():
    a, again, b = (
        scan(FAST, Place(SEED, draw=d), 0, slice(0, 64), slice(0, 64)) for d in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, again)
    assert 5 < np.std(a.astype(float) - b) < 40


def test_whole_numbers_in_the_settings_are_the_same_microscope():
    a, b = (
        scan(Microscope(step_nm=s), Place(SEED, shift_nm=(z, z)), 0, slice(0, 32), slice(0, 32))
        for s, z in ((4, 0), (4.0, 0.0))
    )
    np.testing.assert_array_equal(a, b)


def test_origin_moves_the_field_over_the_same_tissue(field):
    moved = scan(CLEAR, Place(SEED, (400.0, 1200.0)), 3, slice(0, 200), slice(0, 200))
    assert correlation(moved, field[100:300, 300:500]) > 0.99


def test_pixels_are_centred_half_a_step_from_the_corner(field):
    truth = scene(SEED, 3 * CLEAR.section_nm, grid(0, 256), grid(0, 256))
    found, *_ = phase_cross_correlation(
        truth, field[:256, :256], upsample_factor=50, normalization=None
    )
    np.testing.assert_allclose(found, 0, atol=0.05)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (24.0, -8.0)])
def test_low_resolution_meets_binned_high_resolution_at_the_planted_shift(field, shift):
    low = scan(COARSE, Place(SEED, shift_nm=shift), 3, slice(0, 256), slice(0, 256))
    found, *_ = phase_cross_correlation(
        binned(field, 4), low.astype(float), upsample_factor=50, normalization=None
    )
    np.testing.assert_allclose(found * 16.0, shift, atol=2.0)


def test_low_resolution_is_sampled_with_the_same_spot_not_averaged(field):
    # Shifted by half an HR step, HR pixels 4i + 1 lie on the centres of LR pixels.
    low = scan(COARSE, Place(SEED, shift_nm=(-2.0, -2.0)), 3, slice(0, 256), slice(0, 256))
    assert correlation(low, field[1::4, 1::4]) > 0.995
    assert correlation(low, binned(field, 4)) < 0.98
    assert low.std() > 1.05 * binned(field, 4).std()


def test_a_larger_spot_blurs():
    sharp, soft = (
        scan(CLEAR.changed(spot_nm=s), HERE, 3, slice(0, 128), slice(0, 128)).astype(float)
        for s in (5.0, 24.0)
    )
    assert np.abs(np.diff(soft)).mean() < 0.7 * np.abs(np.diff(sharp)).mean()


@pytest.mark.parametrize("bits", [8, 12])
def test_ome_tiff_carries_pixels_axes_type_and_size(tmp_path, bits):
    scope = Microscope(step_nm=8.0, section_nm=40.0, bits=bits)
    place = Place(SEED, shift_nm=(3.0, 0.0), first_plane=5)
    path = acquire(tmp_path / "a.ome.tif", scope, place, (2, 300, 70))
    with tifffile.TiffFile(path) as tiff:
        series, pixels = (
            tiff.series[0],
            tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"],
        )
        assert (series.axes, series.shape, series.dtype) == ("ZYX", (2, 300, 70), scope.dtype)
        image = series.asarray()
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"], pixels["PhysicalSizeZ"]) == (8, 8, 40)
    assert {pixels[f"PhysicalSize{a}Unit"] for a in "XYZ"} == {"nm"}
    assert pixels["Channel"]["Name"] == "electrons"
    expected = scan(scope, place, 1, slice(0, 300), slice(0, 70))
    np.testing.assert_array_equal(image[1], expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_slices_are_numbered_without_padding_and_carry_their_pixel_size(tmp_path, blank, bits):
    path = acquire(tmp_path / "stack", Microscope(bits=bits), HERE, (11, 40, 50))
    assert {p.name for p in path.iterdir()} == {f"slice_{i}.tif" for i in range(1, 12)}
    with tifffile.TiffFile(path / "slice_10.tif") as tiff:
        assert tiff.imagej_metadata["unit"] == "um"
        assert tiff.pages[0].tags["XResolution"].value == (250, 1)
        image = tiff.asarray()
    assert image.dtype == Microscope(bits=bits).dtype
    np.testing.assert_array_equal(
        image, scan(Microscope(bits=bits), HERE, 9, slice(0, 40), slice(0, 50))
    )


@pytest.mark.parametrize("name", ["a.ome.tiff", "stack"])
def test_files_do_not_depend_on_the_rows_held_in_memory(tmp_path, blank, name):
    images = []
    for block in (1, 512, 4096):
        path = acquire(tmp_path / str(block) / name, FAST, HERE, (1, 700, 30), block=block)
        images.append(tifffile.imread(path if path.is_file() else path / "slice_1.tif"))
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])


def test_equal_acquisitions_are_equal_files(tmp_path, blank):
    paths = [acquire(tmp_path / str(i) / "a.ome.tif", FAST, HERE, (2, 32, 32)) for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", ["a.ome.tif", "stack"])
def test_a_killed_run_leaves_nothing_that_looks_finished(tmp_path, blank, monkeypatch, name):
    path, whole = tmp_path / name, microscope.scan

    def killed(scope, place, plane, *rest):
        if plane == 1:
            raise KeyboardInterrupt
        return whole(scope, place, plane, *rest)

    monkeypatch.setattr(microscope, "scan", killed)
    with pytest.raises(KeyboardInterrupt):
        acquire(path, FAST, HERE, (2, 32, 32))
    assert not path.exists()
    monkeypatch.setattr(microscope, "scan", whole)
    acquire(path, FAST, HERE, (2, 32, 32))
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_finished_acquisition_is_never_overwritten(tmp_path, blank):
    path = acquire(tmp_path / "a.ome.tif", FAST, HERE, (1, 32, 32))
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        acquire(path, FAST, Place(SEED + 1), (1, 32, 32))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "setting", [{"step_nm": 0.0}, {"spot_nm": float("nan")}, {"read_noise": -1.0}, {"bits": 17}]
)
def test_impossible_microscopes_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        Microscope.parse(setting, "microscope")


@pytest.mark.parametrize("rows", [slice(4, 4), slice(-4, 4), slice(0, None), slice(0, 8, 2)])
def test_regions_without_pixels_are_refused(rows):
    with pytest.raises(InputError, match="scan rows"):
        scan(FAST, HERE, 0, rows, slice(0, 8))


def test_empty_shapes_are_refused(tmp_path):
    with pytest.raises(InputError, match="shape"):
        acquire(tmp_path / "a.ome.tif", FAST, HERE, (0, 8, 8))
