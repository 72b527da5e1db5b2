"""Raw acquisitions of every format: the right pixels, calibration and axes, or a clear refusal."""

import logging
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pssrflow.errors import InputError
from pssrflow.ingest.readers.open import open_acquisition
from pssrflow.volumes.regions import parse_crop, parse_pixel_size

DATA = Path(__file__).parents[2] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the development images are not here")


def texture(*shape, dtype="uint16"):
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


def whole(path, **overrides):
    """All pixels of an acquisition, TCZYX."""
    with open_acquisition(str(path), **overrides) as a:
        planes = np.ndindex(*a.shape[:3])
        rows, cols = slice(0, a.shape[3]), slice(0, a.shape[4])
        values = np.stack([a.read(*p, rows, cols) for p in planes]).reshape(a.shape)
        assert values.dtype == a.dtype and values.dtype.isnative
        return values


def refusal(path, **overrides):
    """What the user is told when an acquisition cannot be opened or read."""
    with pytest.raises(InputError) as caught:
        whole(path, **overrides)
    return str(caught.value)


def opened(path, **overrides):
    with open_acquisition(str(path), **overrides) as a:
        return a


def write_ome_zarr(path, values, version="0.5", names="tczyx", unit="nanometer", **array):
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    stored = group.create_array("0", shape=values.shape, dtype=values.dtype, **array)
    stored[:] = values
    types = {"t": "time", "c": "channel"}
    axes = [{"name": n, "type": types.get(n, "space")} for n in names]
    axes = [a | ({"unit": unit} if a["type"] == "space" else {}) for a in axes]
    scale = [{"z": 40.0, "y": 5.0, "x": 5.0}.get(n, 1.0) for n in names]
    transformations = [{"type": "scale", "scale": scale}]
    datasets = [{"path": "0", "coordinateTransformations": transformations}]
    channels = values.shape[names.index("c")] if "c" in names else 1
    ome = {
        "multiscales": [{"axes": axes, "datasets": datasets}],
        "omero": {"channels": [{"label": f"dye {i}"} for i in range(channels)]},
    }
    group.attrs.update({"ome": ome | {"version": "0.5"}} if version == "0.5" else ome)
    return group


# --- what the sample sheet may say ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4.6 nm", (None, 0.0046, 0.0046)),
        ("50, 4.6, 4.6 nm", (0.05, 0.0046, 0.0046)),
        ("0.1um", (None, 0.1, 0.1)),
        ("0.1 µm", (None, 0.1, 0.1)),
        ("0.1 \u03bcm", (None, 0.1, 0.1)),
        ("18 Å", (None, 0.0018, 0.0018)),
        ("17.75 pm", (None, 1.775e-5, 1.775e-5)),
        ("1e-3 mm", (None, 1.0, 1.0)),
    ],
)
def test_a_pixel_size_is_read_in_micrometer(text, size):
    assert parse_pixel_size(text) == pytest.approx(size)


@pytest.mark.parametrize(
    "text", ["", "4.6", "nm", "4,6 nm", "1,2,3,4 nm", "-4 nm", "0 nm", "nan nm", "inf nm", "4 ly"]
)
def test_a_pixel_size_that_is_none_is_refused_with_what_is_accepted(text):
    with pytest.raises(InputError, match=r"pixel_size: .* Accepted: .*4\.6 nm.* um, µm, mm"):
        parse_pixel_size(text)


def test_a_crop_is_half_open_with_optional_ends():
    shape = (1, 2, 9, 600, 700)
    assert parse_crop("0:512, 100:612", shape) == (slice(0, 9), slice(0, 512), slice(100, 612))
    assert parse_crop("3:, :10, :", shape) == (slice(3, 9), slice(0, 10), slice(0, 700))


@pytest.mark.parametrize(
    "text", ["5", "0:5", "a:b,0:5", "5:5,0:5", "0:601,0:5", "-3:,0:5", "::2,:"]
)
def test_a_crop_that_is_empty_or_leaves_the_image_is_refused(text):
    with pytest.raises(InputError, match=r"crop: .*Accepted: 'y0:y1, x0:x1'"):
        parse_crop(text, (9, 600, 700))


def test_overrides_select_channels_crop_and_calibrate(tmp_path):
    values = texture(3, 4, 30, 40)
    metadata = {"axes": "CZYX", "Channel": {"Name": ["DNA", "tubulin", "actin"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", values, metadata=metadata)
    chosen = {"channels": "2,DNA", "crop": "1:3, 5:, :20", "pixel_size": "50, 4, 5 nm"}
    a = opened(tmp_path / "a.ome.tif", **chosen)
    assert a.shape == (1, 2, 2, 25, 20)
    assert a.channels == ("actin", "DNA")
    assert a.pixel_size == pytest.approx((0.05, 0.004, 0.005))
    found = whole(tmp_path / "a.ome.tif", **chosen)
    np.testing.assert_array_equal(found[0], values[[2, 0], 1:3, 5:, :20])


def test_axes_say_what_unnamed_planes_are(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", texture(5, 16, 17))
    assert opened(tmp_path / "a.tif").shape == (1, 1, 5, 16, 17)
    assert "taken as z" in opened(tmp_path / "a.tif").notes[0]
    assert opened(tmp_path / "a.tif", axes="TYX").shape == (5, 1, 1, 16, 17)
    assert opened(tmp_path / "a.tif", axes="CYX").channels == ("0", "1", "2", "3", "4")
    tifffile.imwrite(tmp_path / "b.tif", texture(2, 3, 16, 17), photometric="minisblack")
    assert "Q=2, Q=3" in refusal(tmp_path / "b.tif")
    np.testing.assert_array_equal(
        whole(tmp_path / "b.tif", axes="CTYX")[:, :, 0], texture(2, 3, 16, 17).swapaxes(0, 1)
    )


def test_axes_that_do_not_fit_are_refused_with_what_the_file_has(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", texture(5, 16, 17), metadata={"axes": "ZYX"})
    assert opened(tmp_path / "a.tif", axes="TCZYX").shape == (1, 1, 5, 16, 17)
    for axes in ("YX", "TCYX", "ZZX", "ABC", "ZYZ"):
        assert "Z=5, Y=16, X=17" in refusal(tmp_path / "a.tif", axes=axes)
    assert "puts Y and X elsewhere" in refusal(tmp_path / "a.tif", axes="YXZ")


def test_a_selection_that_is_not_there_is_refused_with_what_is(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", texture(2, 16, 17), metadata={"axes": "CYX"})
    assert "no channel '2'. Accepted: number or name of: 0, 1" in refusal(
        tmp_path / "a.tif", channels="0,2"
    )
    assert "names one channel twice" in refusal(tmp_path / "a.tif", channels="1,1")
    assert "no series '3'" in refusal(tmp_path / "a.tif", scene=3)
    message = refusal(tmp_path / "a.tif", crop="0:99,0:5")
    assert "a.tif, crop" in message and "y has 16" in message
    assert "a.tif, pixel_size" in refusal(tmp_path / "a.tif", pixel_size="4 apples")


# --- TIFF ----------------------------------------------------------------------------------------

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
    return values, [open_acquisition(str(p)) for p in paths]


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


# --- calibration ---------------------------------------------------------------------------------


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


# --- memory --------------------------------------------------------------------------------------


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
    with open_acquisition(str(path)) as a:
        assert a.shape[2:] == (4, 32768, 32768)
        rows, cols = slice(30000, 30512), slice(9000, 9512)
        assert peak(lambda: a.read(0, 0, 3, rows, cols)) < 2 * 512 * 512


def test_a_rectangle_of_a_tiled_plane_costs_only_the_tiles_that_it_meets(tmp_path):
    path, values = tmp_path / "a.tif", np.zeros((8192, 8192), "uint8")
    tifffile.imwrite(path, values, tile=(256, 256), compression="zlib", metadata=None)
    with open_acquisition(str(path)) as a:
        # Several rectangles, because the first still finds an empty cache.
        spans = [slice(k, k + 512) for k in range(0, 2048, 512)]
        assert peak(lambda: [a.read(0, 0, 0, s, s) for s in spans]) < 8 * 2**20


def test_a_band_of_strips_is_decoded_once_for_all_its_shards(tmp_path, monkeypatch):
    path, values = tmp_path / "a.tif", texture(64, 256)
    tifffile.imwrite(path, values, compression="zlib", rowsperstrip=8, metadata=None)
    with open_acquisition(str(path)) as a:
        reader, decoded = a._from.read.__self__, []
        decode = reader._decode
        monkeypatch.setattr(reader, "_decode", lambda key: decoded.append(key) or decode(key))
        for x in range(0, 256, 64):
            found = a.read(0, 0, 0, slice(0, 32), slice(x, x + 64))
            np.testing.assert_array_equal(found, values[:32, x : x + 64])
    assert len(decoded) == 4


def test_file_handles_are_freed(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", texture(9, 9))
    with open_acquisition(str(tmp_path / "a.tif")) as a:
        a.read(0, 0, 0, slice(0, 9), slice(0, 9))
        assert a._from.read.__self__.descriptors
    assert not a._from.read.__self__.descriptors


# --- damage --------------------------------------------------------------------------------------

CUTS = [
    {"metadata": {"axes": "ZYX"}},
    {"metadata": {"axes": "ZYX"}, "compression": "zlib"},
    {"metadata": {"axes": "ZYX"}, "ome": True},
    {"metadata": {"axes": "ZYX"}, "ome": True, "compression": "zlib", "tile": (32, 32)},
    {"metadata": {"axes": "ZYX"}, "imagej": True},
    {"metadata": None},
    {"metadata": None, "bigtiff": True, "compression": "lzw"},
]


@pytest.mark.parametrize("options", CUTS)
@pytest.mark.parametrize("kept", [0.05, 0.4, 0.8, 0.97])
def test_a_tiff_cut_short_is_refused(tmp_path, options, kept):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, texture(12, 64, 64), **options)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    message = refusal(path)
    assert "a.tif" in message and ("truncated" in message or "damaged" in message)


def test_the_message_about_a_truncated_tiff_counts_bytes(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, texture(64, 64), metadata=None)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    assert f"truncated: {size - 100} bytes found, {size} needed" in refusal(path)


def test_pages_cut_off_between_two_planes_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane in texture(5, 32, 32):
            writer.write(plane, metadata=None, contiguous=False)
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[2].dataoffsets[0] + tif.pages[2].nbytes
    path.write_bytes(path.read_bytes()[:end])
    assert "truncated" in refusal(path)


def test_an_ome_tiff_with_fewer_planes_than_promised_is_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, texture(3, 32, 32), metadata={"axes": "ZYX"})
    data = path.read_bytes()
    promised = data.replace(b'SizeZ="3"', b'SizeZ="5"').replace(b'Count="3"', b'Count="5"')
    assert promised != data
    path.write_bytes(promised)
    assert "plane" in refusal(path)


def test_a_damaged_strip_is_refused_with_file_and_plane(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, texture(5, 64, 64), compression="zlib", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[1].dataoffsets[0]
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 400)
    message = refusal(path)
    assert "a.tif, plane t=0 c=0 z=1" in message and "damaged" in message


def test_tiles_that_were_never_written_are_refused_and_not_read_as_zeros(tmp_path):
    path = tmp_path / "a.tif"
    tiles = iter([np.ones((32, 32), "uint8"), None, None, None])
    tifffile.imwrite(path, tiles, shape=(64, 64), dtype="uint8", tile=(32, 32), compression="zlib")
    assert "3 of 4 strips or tiles hold no data" in refusal(path)


def test_the_logger_of_the_library_is_left_as_it_was(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", texture(9, 9))
    log = logging.getLogger("tifffile")
    before = list(log.handlers), log.propagate
    opened(tmp_path / "a.tif")
    assert (list(log.handlers), log.propagate) == before


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.txt", "a.czi", "a"])
def test_a_file_that_is_no_image_is_refused(tmp_path, name):
    (tmp_path / name).write_text("this is not an image at all, whatever it is called\n" * 20)
    assert name in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.nd2"])
def test_an_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    assert "an empty file" in refusal(tmp_path / name)


def test_a_missing_path_is_refused(tmp_path):
    assert "no such file or folder" in refusal(tmp_path / "a.tif")


# --- PNG and its like ----------------------------------------------------------------------------


def test_a_16_bit_png_is_exact(tmp_path):
    values = np.arange(40 * 50, dtype="uint16").reshape(40, 50) * 32
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(whole(tmp_path / "a.png")[0, 0, 0], values)


def test_a_16_bit_colour_png_is_exact(tmp_path):
    import imagecodecs

    values = texture(20, 30, 3) * 257
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(values))
    np.testing.assert_array_equal(whole(tmp_path / "a.png")[0, :, 0], np.moveaxis(values, -1, 0))


def test_a_palette_png_gives_its_indices_and_not_its_colours(tmp_path):
    values = texture(40, 50, dtype="uint8")
    image = Image.fromarray(values)
    image.putpalette([c for i in range(256) for c in (i, 0, 0)])
    image.save(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode == "P"
    np.testing.assert_array_equal(whole(tmp_path / "a.png")[0, 0, 0], values)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_grey_and_colour_rasters_are_exact(tmp_path, suffix):
    grey, colour = texture(40, 50, dtype="uint8"), texture(40, 50, 3, dtype="uint8")
    Image.fromarray(grey).save(tmp_path / f"grey.{suffix}")
    Image.fromarray(colour).save(tmp_path / f"colour.{suffix}")
    np.testing.assert_array_equal(whole(tmp_path / f"grey.{suffix}")[0, 0, 0], grey)
    found = whole(tmp_path / f"colour.{suffix}")
    np.testing.assert_array_equal(found[0, :, 0], np.moveaxis(colour, -1, 0))
    assert opened(tmp_path / f"colour.{suffix}").channels == ("red", "green", "blue")


def test_a_jpeg_is_read_with_a_warning(tmp_path):
    Image.fromarray(texture(40, 50, dtype="uint8")).save(tmp_path / "a.jpg")
    assert opened(tmp_path / "a.jpg").shape == (1, 1, 1, 40, 50)
    assert "lossy" in opened(tmp_path / "a.jpg").notes[0]


def test_colours_for_print_are_refused(tmp_path):
    Image.new("CMYK", (30, 20)).save(tmp_path / "a.jpg")
    assert "colour mode CMYK" in refusal(tmp_path / "a.jpg")


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.98])
def test_a_png_cut_short_is_refused(tmp_path, kept):
    Image.fromarray(texture(90, 90, dtype="uint8")).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: int(kept * len(data))])
    assert "a.png: the file is damaged" in refusal(tmp_path / "a.png")


# --- folders and globs ---------------------------------------------------------------------------


def write_slices(folder, numbers, name="s_{}.tif", shape=(20, 30)):
    for n in numbers:
        tifffile.imwrite(folder / name.format(n), np.full(shape, int(n) % 250, "uint8"))


def test_slices_are_stacked_in_natural_order(tmp_path):
    write_slices(tmp_path, range(1, 13))
    a = opened(tmp_path)
    assert a.shape == (1, 1, 12, 20, 30)
    assert [f.name for f in a.files] == [f"s_{n}.tif" for n in range(1, 13)]
    assert whole(tmp_path)[0, 0, :, 0, 0].tolist() == list(range(1, 13))
    assert len(a.notes) == 1 and "pixel size of z, y, x" in a.notes[0]


def test_a_glob_takes_what_it_names(tmp_path):
    write_slices(tmp_path, range(4))
    write_slices(tmp_path, range(4), name="mask_{}.tif")
    assert opened(tmp_path / "s_*.tif").shape == (1, 1, 4, 20, 30)
    assert "no images here" in refusal(tmp_path / "t_*.tif")


def test_gaps_and_repeats_in_the_numbering_are_noted(tmp_path):
    write_slices(tmp_path, [1, 2, 5, 6])
    write_slices(tmp_path, ["0002"])
    notes = opened(tmp_path).notes
    assert any("missing: 3, 4;" in n for n in notes)
    assert any("occur twice: 2" in n for n in notes)


def test_a_long_gap_is_shortened(tmp_path):
    write_slices(tmp_path, [1, 2, 40])
    assert any("3, 4, 5, 6, 7, 8, 9, 10 and 29 more" in n for n in opened(tmp_path).notes)


def test_regular_steps_of_the_numbering_are_no_gap(tmp_path):
    write_slices(tmp_path, ["0", "5", "10", "15"])
    assert [n for n in opened(tmp_path).notes if "gap" in n] == []
    assert "steps of 5" in opened(tmp_path).notes[0]


def test_other_files_are_noted_and_hidden_ones_are_not(tmp_path):
    write_slices(tmp_path, range(3))
    (tmp_path / "readme.txt").touch()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "._s_1.tif").touch()
    notes = opened(tmp_path).notes
    assert "1 files or folders" in notes[0] and "readme.txt" in notes[0]


@pytest.mark.parametrize(("shape", "dtype"), [((20, 31), "uint8"), ((20, 30), "uint16")])
def test_slices_that_differ_are_refused_with_both_names(tmp_path, shape, dtype):
    write_slices(tmp_path, range(3))
    tifffile.imwrite(tmp_path / "s_3.tif", np.zeros(shape, dtype))
    message = refusal(tmp_path)
    assert f"s_3.tif has Y={shape[0]}, X={shape[1]} {dtype}" in message
    assert "s_0.tif has Y=20, X=30 uint8" in message


def test_a_stack_among_slices_is_refused(tmp_path):
    write_slices(tmp_path, range(3))
    tifffile.imwrite(tmp_path / "s_3.tif", np.zeros((5, 20, 30), "uint8"))
    assert "s_3.tif: several planes" in refusal(tmp_path)


def test_a_damaged_slice_is_refused_by_name(tmp_path):
    for n in range(3):
        Image.fromarray(texture(90, 90, dtype="uint8")).save(tmp_path / f"{n}.png")
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:2000])
    assert "1.png: the file is damaged" in refusal(tmp_path)


def test_a_folder_without_images_is_refused_with_the_extensions(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert "no images here. Accepted: 2-D images with the extension .tif" in refusal(tmp_path)


def test_slices_share_the_calibration_of_the_first(tmp_path):
    for n in range(3):
        options = {"imagej": True, "resolution": (250, 250), "metadata": {"unit": "um"}}
        tifffile.imwrite(tmp_path / f"{n}.tif", texture(9, 9), **options)
    assert opened(tmp_path).pixel_size == pytest.approx((None, 0.004, 0.004))
    given = opened(tmp_path, pixel_size="50, 4.6, 4.6 nm").pixel_size
    assert given == pytest.approx((0.05, 0.0046, 0.0046))


# --- Zarr ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "array"),
    [
        ("0.5", {"chunks": (1, 1, 2, 16, 16)}),
        ("0.5", {"chunks": (1, 1, 1, 8, 8), "shards": (1, 1, 2, 16, 16)}),
        ("0.4", {"chunks": (1, 1, 2, 16, 16)}),
    ],
)
def test_an_ome_zarr_gives_pixels_units_and_names(tmp_path, version, array):
    values = texture(2, 2, 3, 40, 50)
    write_ome_zarr(tmp_path / "a.zarr", values, version, **array)
    a = opened(tmp_path / "a.zarr")
    assert a.pixel_size == pytest.approx((0.04, 0.005, 0.005))
    assert a.channels == ("dye 0", "dye 1") and a.files == (tmp_path / "a.zarr",) and not a.notes
    np.testing.assert_array_equal(whole(tmp_path / "a.zarr"), values)
    np.testing.assert_array_equal(
        whole(tmp_path / "a.zarr", channels="dye 1", crop="1:2, 3:30, 7:")[:, 0, 0],
        values[:, 1, 1, 3:30, 7:],
    )


def test_an_ome_zarr_may_have_fewer_axes_in_big_endian(tmp_path):
    values = texture(3, 40, 50, dtype=">u2")
    write_ome_zarr(tmp_path / "a", values, "0.4", names="zyx", unit="angstrom")
    np.testing.assert_array_equal(whole(tmp_path / "a")[0, 0], values)
    assert opened(tmp_path / "a").pixel_size == pytest.approx((0.004, 0.0005, 0.0005))


def test_an_ome_zarr_without_units_has_no_pixel_size(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", texture(3, 40, 50), names="zyx", unit="")
    assert opened(tmp_path / "a.zarr").pixel_size == (None, None, None)


def test_a_plain_zarr_array_needs_axes(tmp_path):
    values = texture(40, 50, 3)
    zarr.save_array(tmp_path / "a.zarr", values)
    assert "without OME metadata" in refusal(tmp_path / "a.zarr")
    np.testing.assert_array_equal(
        whole(tmp_path / "a.zarr", axes="YXZ")[0, 0], np.moveaxis(values, -1, 0)
    )
    np.testing.assert_array_equal(whole(tmp_path / "a.zarr", axes="XYZ")[0, 0], values.T)


def test_chunks_that_are_absent_are_noted(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", texture(2, 32, 32), names="zyx", chunks=(1, 16, 16))
    (tmp_path / "a.zarr/0/c/1/0/1").unlink()
    assert "1 of 8 chunks" in opened(tmp_path / "a.zarr").notes[0]


def test_a_damaged_chunk_is_refused_with_its_plane(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", texture(2, 32, 32), names="zyx", chunks=(1, 16, 16))
    (tmp_path / "a.zarr/0/c/1/0/1").write_bytes(b"\x28\xb5\x2f\xfdrubbish")
    assert "a.zarr, plane t=0 c=0 z=1" in refusal(tmp_path / "a.zarr")


def test_a_zarr_without_an_image_is_refused(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w")
    assert "without `multiscales`" in refusal(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").mkdir()
    assert "b.zarr" in refusal(tmp_path / "b.zarr")


def test_a_collection_gives_one_of_its_images(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w")
    write_ome_zarr(tmp_path / "a.zarr/0", texture(2, 32, 32), names="zyx")
    write_ome_zarr(tmp_path / "a.zarr/1", texture(3, 32, 32), names="zyx")
    assert opened(tmp_path / "a.zarr").shape[2] == 2
    assert "2 scenes" in opened(tmp_path / "a.zarr").notes[0]
    assert opened(tmp_path / "a.zarr", scene=1).shape[2] == 3


def test_a_remote_path_is_read_only_as_ome_zarr(tmp_path):
    assert "only as OME-Zarr" in refusal("s3://bucket/image.tif")
    values = texture(2, 32, 32)
    write_ome_zarr(tmp_path / "a.zarr", values, names="zyx")
    np.testing.assert_array_equal(whole(f"file://{tmp_path}/a.zarr")[0, 0], values)
    assert "gone.zarr" in refusal(f"file://{tmp_path}/gone.zarr")


# --- vendors' formats ----------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "package"), [("lif", "bioio-lif"), ("nd2", "bioio-nd2")])
def test_a_missing_plugin_is_named(tmp_path, suffix, package, monkeypatch):
    import bioio
    from bioio_base.exceptions import UnsupportedFileFormatError

    def none(path, **_):
        raise UnsupportedFileFormatError("BioImage", str(path))

    monkeypatch.setattr(bioio, "BioImage", none)
    (tmp_path / f"a.{suffix}").write_bytes(b"anything")
    assert f"pip install {package}" in refusal(tmp_path / f"a.{suffix}")


# --- real files ----------------------------------------------------------------------------------

REAL = [
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
    pytest.importorskip("bioio_czi")
    czi = whole(DATA / "czi/FOV7_HV110_P0500510000.czi")
    np.testing.assert_array_equal(czi, whole(DATA / "ome_tiff/FOV7_HV110_P0500510000.ome.tiff"))


@real
def test_a_czi_with_all_axes_is_read_plane_by_plane():
    pytest.importorskip("bioio_czi")
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
    pytest.importorskip("bioio_czi")
    a = opened(DATA / "sem_vendor_metadata/Al2O3_SE_020_sp.czi")
    assert a.shape == (1, 1, 1, 1536, 2048)
    assert a.pixel_size[1:] == pytest.approx((0.02791, 0.02791), rel=1e-3)


@real
def test_raw_airyscan_detectors_are_refused_and_not_averaged():
    pytest.importorskip("bioio_czi")
    message = refusal(DATA / "czi/LSM880_AiryScan.czi")
    assert "H=32" in message and "raw detector data" in message
