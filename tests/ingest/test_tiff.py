"""TIFF of every layout: the right pixels, axes and calibration, in the memory of the rectangle."""

import tracemalloc

import numpy as np
import pytest
import tifffile
from acquisitions import opened, refusal, texture, whole
from hypothesis import given, settings
from hypothesis import strategies as st
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition

LAYOUTS = {
    "contiguous": {},
    "one strip": {"compression": "zlib"},
    "thin strips": {"compression": "lzw", "rowsperstrip": 7},
    "tiles": {"tile": (32, 48), "compression": "zstd", "predictor": True},
    "tiles, raw": {"tile": (32, 48)},
    "big endian": {"byteorder": ">"},
    "big endian, strips": {"byteorder": ">", "compression": "zlib", "rowsperstrip": 16},
    "BigTIFF": {"bigtiff": True, "tile": (64, 64), "compression": "zlib"},
    "ImageJ": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "plain pages": {"metadata": None},
}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    values = texture(3, 131, 157)
    for name, options in LAYOUTS.items():
        options = {"metadata": {"axes": "ZYX"}, "photometric": "minisblack"} | options
        tifffile.imwrite(folder / f"{name}.tif", values, **options)
    with tifffile.TiffWriter(folder / "apart.tif") as writer:
        for plane in values:
            writer.write(plane, metadata=None, contiguous=False, rowsperstrip=10)
    paths = [*(folder / f"{name}.tif" for name in LAYOUTS), folder / "apart.tif"]
    return values, [open_acquisition(str(p), Overrides()) for p in paths]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_rectangle_of_any_tiff_layout_equals_slicing(layouts, data):
    values, acquisitions = layouts
    z, (y0, y1), (x0, x1) = (
        data.draw(st.integers(0, 2)),
        sorted(data.draw(st.tuples(st.integers(0, 130), st.integers(0, 131)))),
        sorted(data.draw(st.tuples(st.integers(0, 156), st.integers(0, 157)))),
    )
    y1, x1 = max(y1, y0 + 1), max(x1, x0 + 1)
    for a in acquisitions:
        found = a.read(0, 0, z, slice(y0, y1), slice(x0, x1))
        np.testing.assert_array_equal(found, values[z, y0:y1, x0:x1])
        assert found.dtype == a.dtype == np.dtype("uint16") and found.dtype.isnative


def test_planes_stored_as_colours_can_be_told_to_be_slices(tmp_path):
    # tifffile writes a stack of three slices this way unless told otherwise.
    values = texture(3, 40, 50)
    kind = {"photometric": "rgb", "planarconfig": "separate", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", values, **kind)
    assert "set `axes`" in opened(tmp_path / "a.tif").notes[0]
    np.testing.assert_array_equal(whole(tmp_path / "a.tif", axes="ZYX")[0, 0], values)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 32)}])
def test_colour_samples_become_channels(tmp_path, planar, options):
    values = texture(2, 40, 50, 3, dtype="uint8")
    stored = values if planar == "contig" else np.moveaxis(values, -1, 1)
    axes = "ZYXS" if planar == "contig" else "ZSYX"
    options = options | {"photometric": "rgb", "planarconfig": planar, "metadata": {"axes": axes}}
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    assert opened(tmp_path / "a.tif").channels == ("red", "green", "blue")
    np.testing.assert_array_equal(whole(tmp_path / "a.tif")[0], np.moveaxis(values, -1, 0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_supported_data_type_keeps_its_values(tmp_path, dtype, order):
    values = texture(20, 30, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order)
    assert opened(tmp_path / "a.tif").dtype == np.dtype(dtype)
    np.testing.assert_array_equal(whole(tmp_path / "a.tif")[0, 0, 0], values)


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        ("uint32", "uint16"),
        ("int8", "int16"),
        ("float64", "float32"),
        ("bool", "uint8"),
        ("complex64", "float32"),
    ],
)
def test_other_data_types_are_refused_with_a_conversion(tmp_path, dtype, hint):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 30), dtype))
    message = refusal(tmp_path / "a.tif")
    assert f"data type {dtype}" in message and "convert to" in message and hint in message


def test_time_channel_and_depth_keep_their_places(tmp_path):
    values = texture(2, 3, 4, 20, 30)
    tifffile.imwrite(tmp_path / "o.ome.tif", values, metadata={"axes": "TCZYX"})
    tifffile.imwrite(
        tmp_path / "i.tif", values.swapaxes(1, 2), imagej=True, metadata={"axes": "TZCYX"}
    )
    np.testing.assert_array_equal(whole(tmp_path / "o.ome.tif"), values)
    np.testing.assert_array_equal(whole(tmp_path / "i.tif"), values)


def test_a_pyramid_gives_its_full_resolution(tmp_path):
    values = texture(128, 128)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        writer.write(values, subifds=1, tile=(32, 32), metadata={"axes": "YX"})
        writer.write(values[::2, ::2], subfiletype=1, tile=(32, 32))
    np.testing.assert_array_equal(whole(tmp_path / "a.ome.tif")[0, 0, 0], values)


def test_one_of_several_series_is_read_and_the_others_are_mentioned(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        writer.write(texture(20, 30), metadata={"axes": "YX", "Name": "survey"})
        writer.write(texture(3, 40, 50), metadata={"axes": "ZYX", "Name": "detail"})
    a = opened(tmp_path / "a.ome.tif")
    assert a.shape == (1, 1, 1, 20, 30) and "2 series" in a.notes[0] and "scene" in a.notes[0]
    assert opened(tmp_path / "a.ome.tif", scene="detail").shape == (1, 1, 3, 40, 50)
    assert opened(tmp_path / "a.ome.tif", scene=1).shape == (1, 1, 3, 40, 50)
    assert opened(tmp_path / "a.ome.tif", scene="1").notes[:1] != a.notes[:1]


def test_planes_of_an_ome_tiff_may_lie_in_several_files(tmp_path):
    values, uid = texture(2, 20, 30), "urn:uuid:00000000-0000-0000-0000-00000000000"
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{z}.ome.tif">{uid}{z}</UUID></TiffData>'
        for z in range(2)
    )
    for z in range(2):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uid}{z}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            'SizeX="30" SizeY="20" SizeZ="2" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{parts}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"{z}.ome.tif", values[z], description=xml, metadata=None)
    assert [f.name for f in opened(tmp_path / "0.ome.tif").files] == ["0.ome.tif", "1.ome.tif"]
    np.testing.assert_array_equal(whole(tmp_path / "0.ome.tif")[0, 0], values)
    (tmp_path / "1.ome.tif").unlink()
    assert "plane 1 of 2 is missing" in refusal(tmp_path / "0.ome.tif")


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1e-3), ("µm", 1.0), ("mm", 1e3), ("Å", 1e-4)])
def test_ome_pixel_sizes_are_taken_in_any_unit(tmp_path, unit, factor):
    sizes = {f"PhysicalSize{a}": 0.004 * (i + 1) / factor for i, a in enumerate("XYZ")}
    units = {f"PhysicalSize{a}Unit": unit for a in "XYZ"}
    metadata = {"axes": "ZYX"} | sizes | units
    tifffile.imwrite(tmp_path / "a.ome.tif", texture(2, 9, 9), metadata=metadata)
    assert opened(tmp_path / "a.ome.tif").pixel_size == pytest.approx((0.012, 0.008, 0.004))


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("nm", 1e-3), ("micron", 1), ("um", 1), ("\\u00B5m", 1), ("microns", 1), ("mm", 1e3)],
)
def test_imagej_pixel_sizes_are_taken_in_any_unit(tmp_path, unit, factor):
    metadata = {"axes": "ZYX", "unit": unit, "spacing": 0.05 / factor}
    tifffile.imwrite(
        tmp_path / "a.tif",
        texture(2, 9, 9),
        imagej=True,
        resolution=(250 * factor, 125 * factor),
        metadata=metadata,
    )
    expected = pytest.approx((0.05, 0.008, 0.004), rel=1e-5)
    assert opened(tmp_path / "a.tif").pixel_size == expected


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "resolution": (72, 72), "metadata": {"unit": "inch"}},
        {"imagej": True, "resolution": (1, 1), "metadata": {"unit": "pixel"}},
        {"resolution": (72, 72), "resolutionunit": "INCH"},
        {"resolution": (28.35, 28.35), "resolutionunit": "CENTIMETER"},
        {"resolution": (0, 0), "resolutionunit": "CENTIMETER"},
        {"resolution": (1, 1), "resolutionunit": "NONE"},
        {},
    ],
)
def test_the_resolution_of_a_screen_is_no_pixel_size(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", texture(9, 9), **options)
    a = opened(tmp_path / "a.tif")
    assert a.pixel_size == (None, None, None)
    assert any("pixel size of y, x is not in the file" in n for n in a.notes)


def test_a_microscopic_resolution_per_centimeter_is_a_pixel_size(tmp_path):
    options = {"resolution": (2e6, 1e6), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "a.tif", texture(9, 9), **options)
    assert opened(tmp_path / "a.tif").pixel_size == pytest.approx((None, 0.01, 0.005))


def peak(read):
    read()
    tracemalloc.start()
    read()
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return used


def test_a_rectangle_of_a_huge_raw_plane_costs_only_that_rectangle(tmp_path):
    path = tmp_path / "a.tif"
    # 4 GB of holes: the file takes no space on disk.
    kind = {"dtype": "uint8", "photometric": "minisblack", "bigtiff": True, "metadata": None}
    tifffile.imwrite(path, shape=(4, 32768, 32768), **kind)
    with open_acquisition(str(path), Overrides()) as a:
        assert a.shape[2:] == (4, 32768, 32768)
        rows, cols = slice(30000, 30512), slice(9000, 9512)
        assert peak(lambda: a.read(0, 0, 3, rows, cols)) < 2 * 512 * 512


def test_a_rectangle_of_a_tiled_plane_costs_only_the_tiles_that_it_meets(tmp_path):
    path, values = tmp_path / "a.tif", np.zeros((8192, 8192), "uint8")
    tifffile.imwrite(path, values, tile=(256, 256), compression="zlib", metadata=None)
    with open_acquisition(str(path), Overrides()) as a:
        # Several rectangles, because the first still finds an empty cache.
        spans = [slice(k, k + 512) for k in range(0, 2048, 512)]
        assert peak(lambda: [a.read(0, 0, 0, s, s) for s in spans]) < 8 * 2**20


def test_a_band_of_strips_is_decoded_once_for_all_its_shards(tmp_path, monkeypatch):
    path, values = tmp_path / "a.tif", texture(64, 256)
    tifffile.imwrite(path, values, compression="zlib", rowsperstrip=8, metadata=None)
    with open_acquisition(str(path), Overrides()) as a:
        reader, decoded = a._from.read.__self__, []
        decode = reader._decode
        monkeypatch.setattr(reader, "_decode", lambda key: decoded.append(key) or decode(key))
        for x in range(0, 256, 64):
            found = a.read(0, 0, 0, slice(0, 32), slice(x, x + 64))
            np.testing.assert_array_equal(found, values[:32, x : x + 64])
    assert len(decoded) == 4


def test_file_handles_are_freed(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", texture(9, 9))
    with open_acquisition(str(tmp_path / "a.tif"), Overrides()) as a:
        a.read(0, 0, 0, slice(0, 9), slice(0, 9))
        assert a._from.read.__self__.descriptors
    assert not a._from.read.__self__.descriptors
