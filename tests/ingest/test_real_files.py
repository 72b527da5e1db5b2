"""Vendors' formats, and real files of every kind."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from acquisitions import opened, refusal, whole
from PIL import Image
from pssrflow.ingest.readers import vendor
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition

DATA = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the development images are not here")


def test_a_missing_plugin_is_named(tmp_path):
    (tmp_path / "a.dv").write_bytes(b"anything")
    assert "pip install bioio bioio-dv" in refusal(tmp_path / "a.dv")


@pytest.mark.parametrize(("suffix", "program"), [("lei", "LAS AF"), ("nrrd", "Fiji")])
def test_a_format_without_a_reader_says_what_exports_it(suffix, program, tmp_path):
    (tmp_path / f"a.{suffix}").write_bytes(b"anything")
    message = refusal(tmp_path / f"a.{suffix}")
    assert f".{suffix} has no reader yet" in message and program in message
    assert "pip install" not in message


RAT = "sem_rat_spinal_cord/sub-rat{0}/micr/sub-rat{0}_sample-data{1}_SEM.png"
REAL = [
    (RAT.format(1, 1), (1, 1, 1, 924, 1278), 0.18),
    (RAT.format(3, 9), (1, 1, 1, 756, 764), 0.1),
    ("em_misc_training_resources/xy_8bit__em_mitochondria_er.tif", (1, 1, 1, 517, 497), 0.008),
    ("tem_mammalian_cell/EM2022_190_K2Box37_03_03_66.tif", (1, 1, 1, 2008, 2008), 0.00181),
    ("sem_vendor_metadata/fei-sem-rbc.tif", (1, 1, 1, 1094, 1536), 0.0077083),
    ("sem_vendor_metadata/test_tiff_Zeiss_SEM_1k.tif", (1, 1, 1, 768, 1024), 2.6145),
    ("fluo_single/xyc_16bit__cell_dna_mts_actin.tif", (1, 3, 1, 350, 350), 0.1325),
    ("fluo_multiframe/membrane_2d_timelapse.tif", (1, 1, 5, 256, 256), None),
    ("fluo_multiframe/cells3d_nuclei_z20-39.tif", (1, 1, 20, 256, 256), None),
    ("fluo_multiframe/nuclei_timelapse_t00-14.tif", (15, 1, 1, 511, 511), None),
    ("fluo_multiframe/two_photon_20frames.tif", (1, 1, 20, 128, 256), None),
    ("fluo_single/maize_clsm.tif", (1, 1, 1, 640, 639), None),
    ("ome_tiff/FOV7_HV110_P0500510000.ome.tiff", (1, 1, 1, 512, 512), None),
    ("em_sstem_drosophila_vnc_stack1/raw", (1, 1, 20, 1024, 1024), None),
    ("em_fibsem_drosophila_medulla_ts1", (1, 1, 160, 250, 250), None),
    ("em_fibsem_mouse_liver", (1, 1, 2, 256, 256), None),
    ("paired_snr_bacteria_16bit/target_16bit.png", (1, 1, 1, 512, 512), None),
    ("paired_snr_gigadb/membrane-highsnr-sample.png", (1, 1, 1, 2048, 2048), None),
]


@real
@pytest.mark.parametrize(("name", "shape", "size"), REAL)
def test_real_files_have_the_shape_and_pixel_size_of_their_description(name, shape, size):
    a = opened(DATA / name)
    assert a.shape == shape
    expected = pytest.approx((size, size), rel=1e-3) if size else (None, None)
    assert a.pixel_size[1:] == expected


@real
def test_real_tiffs_read_as_tifffile_reads_them():
    for name in (
        "fluo_multiframe/cells3d_nuclei_z20-39.tif",
        "sem_vendor_metadata/fei-sem-rbc.tif",
    ):
        values = tifffile.imread(DATA / name)
        np.testing.assert_array_equal(whole(DATA / name).reshape(values.shape), values)


@real
def test_real_palette_pngs_are_not_darkened_by_their_palette():
    path = DATA / "paired_snr_gigadb/nucleus-highsnr-sample.png"
    with Image.open(path) as image:
        assert image.mode == "P"
        found = whole(path)[0, 0, 0]
        np.testing.assert_array_equal(found, np.asarray(image))
        assert found.max() == 255 and np.asarray(image.convert("L")).max() < 255


@real
def test_a_czi_and_its_ome_tiff_have_identical_pixels():
    czi = whole(DATA / "czi/FOV7_HV110_P0500510000.czi")
    np.testing.assert_array_equal(czi, whole(DATA / "ome_tiff/FOV7_HV110_P0500510000.ome.tiff"))


@real
def test_a_czi_with_all_axes_is_read_plane_by_plane():
    path = DATA / "czi/CellDivision_T3_Z5_CH2_X240_Y170.czi"
    a = opened(path)
    assert a.shape == (3, 2, 5, 170, 240) and a.channels == ("LED555", "LED470")
    assert a.pixel_size == pytest.approx((0.32, 0.090577, 0.090577), rel=1e-4)
    values = whole(path)
    assert len({values[p].tobytes() for p in np.ndindex(3, 2, 5)}) == 30
    crop = whole(path, crop="1:2, 10:30, 20:90", channels="LED470")
    np.testing.assert_array_equal(crop, values[:, 1:, 1:2, 10:30, 20:90])


@real
def test_a_czi_of_an_electron_microscope_is_calibrated():
    a = opened(DATA / "sem_vendor_metadata/Al2O3_SE_020_sp.czi")
    assert a.shape == (1, 1, 1, 1536, 2048)
    assert a.pixel_size[1:] == pytest.approx((0.02791, 0.02791), rel=1e-3)
    assert a.microscope["instrument"].endswith("Crossbeam 550")
    assert a.microscope["detector"] == "BSD4 A"


@real
def test_of_a_dm3_with_a_spectrum_the_image_is_read():
    path = DATA / "sem_vendor_metadata/multi_signal.dm3"
    a = opened(path)
    assert a.shape == (1, 1, 1, 512, 512) and a.dtype == np.uint16
    assert a.pixel_size[1:] == pytest.approx((1.77516e-5, 1.77516e-5), rel=1e-4)
    assert a.microscope["voltage_kv"] == 300
    # The only image: the spectrum beside it is none.
    assert not any("scenes" in note for note in a.notes)
    assert "there is no scene 'Plot'" in refusal(path, scene="Plot")


@real
@pytest.mark.parametrize("whole_planes", [True, False])
def test_a_rectangle_of_a_vendors_file_is_that_of_the_plane(whole_planes, monkeypatch):
    path = DATA / "czi/CellDivision_T3_Z5_CH2_X240_Y170.czi"
    values = whole(path)
    monkeypatch.setattr(vendor, "WHOLE", 1 << 28 if whole_planes else 0)
    with open_acquisition(path, Overrides()) as a:
        found = a.read(2, 1, 3, slice(5, 100), slice(17, 93))
    np.testing.assert_array_equal(found, values[2, 1, 3, 5:100, 17:93])


@real
def test_raw_airyscan_detectors_are_refused_and_not_averaged():
    message = refusal(DATA / "czi/LSM880_AiryScan.czi")
    assert "raw Airyscan data, of 32 detectors" in message and "Airyscan Processing" in message
    assert message == refusal(DATA / "czi/LSM880_AiryScan.czi", axes="CTZYX")
