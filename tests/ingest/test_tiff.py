"""TIFF of every layout: the right pixels, axes and calibration, in the memory of the rectangle."""

import json
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from acquisitions import opened, refusal, texture, whole
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
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
    # Planes of their own are channels, whatever they are called.
    named = {"channels": "red, green, blue"} if planar == "contig" else {}
    names = ("red", "green", "blue") if planar == "contig" else ("0", "1", "2")
    assert opened(tmp_path / "a.tif", **named).channels == names
    np.testing.assert_array_equal(whole(tmp_path / "a.tif", **named)[0], np.moveaxis(values, -1, 0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_supported_data_type_keeps_its_values(tmp_path, dtype, order):
    values = texture(20, 30, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order)
    assert opened(tmp_path / "a.tif").dtype == np.dtype(dtype)
    np.testing.assert_array_equal(whole(tmp_path / "a.tif")[0, 0, 0], values)


@pytest.mark.parametrize(
    ("dtype", "said"),
    [
        ("int32", "up to 16777216 exactly"),
        ("uint32", "up to 16777216 exactly"),
        ("int64", "up to 16777216 exactly"),
        ("float64", "to seven digits"),
    ],
)
def test_long_data_types_are_kept_as_float32_and_said(tmp_path, dtype, said):
    values = (texture(20, 30).astype(float) * 65793).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values)
    found = opened(tmp_path / "a.tif")
    assert found.dtype == np.float32
    assert any(f"{dtype} kept as float32" in n and said in n for n in found.notes)
    np.testing.assert_array_equal(whole(tmp_path / "a.tif")[0, 0, 0], values)


def test_other_data_types_are_refused_with_a_conversion(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 30), "complex64"))
    message = refusal(tmp_path / "a.tif")
    assert "data type complex64" in message and "convert to float32" in message


@pytest.mark.parametrize(("dtype", "wider"), [("int8", "int16"), ("float16", "float32")])
def test_small_data_types_are_kept_in_wider_ones(tmp_path, dtype, wider):
    values = (texture(20, 30).astype(int) - 125).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert opened(tmp_path / "a.tif").dtype == wider
    np.testing.assert_array_equal(whole(tmp_path / "a.tif")[0, 0, 0], values)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 7}])
def test_one_bit_is_black_or_white(tmp_path, options):
    values = texture(21, 30) % 2 > 0
    tifffile.imwrite(tmp_path / "a.tif", values, metadata=None, **options)
    Image.fromarray(values).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        np.testing.assert_array_equal(whole(tmp_path / name)[0, 0, 0], values * np.uint8(255))
        assert opened(tmp_path / name).dtype == np.uint8


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_transparency_is_left_out_unless_it_is_named(tmp_path, photometric):
    colours = 3 if photometric == "rgb" else 1
    values = texture(40, 50, colours + 1, dtype="uint8")
    options = {"photometric": photometric, "planarconfig": "contig", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", values, extrasamples=["unassalpha"], **options)
    Image.fromarray(values, "RGBA" if colours == 3 else "LA").save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        shown = np.moveaxis(values, -1, 0)
        if photometric == "rgb":
            assert "red, green, blue, or several" in refusal(tmp_path / name)
        else:
            found = opened(tmp_path / name)
            assert found.shape[1] == colours and "alpha" not in found.channels
            assert any("alpha (transparency) is left out" in note for note in found.notes)
            np.testing.assert_array_equal(whole(tmp_path / name)[0, :, 0], shown[:-1])
        named = whole(tmp_path / name, channels="alpha")
        np.testing.assert_array_equal(named[0, 0, 0], shown[-1])


def test_a_stain_that_is_called_alpha_is_a_channel(tmp_path):
    values, names = texture(2, 40, 50), ["alpha", "beta"]
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    tifffile.imwrite(tmp_path / "a.ome.tif", values, metadata=metadata)
    assert opened(tmp_path / "a.ome.tif").channels == ("alpha", "beta")
    np.testing.assert_array_equal(whole(tmp_path / "a.ome.tif")[0, :, 0], values)


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


def ome_set(folder, values, options):
    """An OME-TIFF of a file for each plane, written as the options of each say; its first file."""
    uid, (depth, *size) = "urn:uuid:00000000-0000-0000-0000-00000000000", values.shape
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{z}.ome.tif">{uid}{z}</UUID></TiffData>'
        for z in range(depth)
    )
    for z in range(depth):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uid}{z}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            f'SizeX="{size[1]}" SizeY="{size[0]}" SizeZ="{depth}" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{parts}</Pixels></Image></OME>'
        )
        saved = {"description": xml, "metadata": None} | options[z]
        plane = saved.pop("plane", values[z])
        tifffile.imwrite(folder / f"{z}.ome.tif", plane, **saved)
    return folder / "0.ome.tif"


def test_planes_of_an_ome_tiff_may_lie_in_several_files(tmp_path):
    values = texture(2, 20, 30)
    path = ome_set(tmp_path, values, [{}, {}])
    assert [f.name for f in opened(path).files] == ["0.ome.tif", "1.ome.tif"]
    np.testing.assert_array_equal(whole(path)[0, 0], values)
    (tmp_path / "1.ome.tif").unlink()
    assert "plane 1 of 2 is missing" in refusal(path)


# How a program may save one file of a set again.
SAVED_AGAIN = [
    {"byteorder": ">"},
    {"compression": "zlib"},
    {"compression": "lzw", "predictor": True},
    {"compression": "zlib", "rowsperstrip": 7},
    {"tile": (16, 32)},
    {"tile": (32, 16), "compression": "zstd", "byteorder": ">", "bigtiff": True},
    {"rowsperstrip": 5},
]


@pytest.mark.parametrize("first", [{}, *SAVED_AGAIN])
def test_a_part_of_a_set_that_was_saved_otherwise_is_read_by_its_own_tags(first, tmp_path):
    values = texture(len(SAVED_AGAIN) + 1, 61, 47)
    path = ome_set(tmp_path, values, [first, *SAVED_AGAIN])
    np.testing.assert_array_equal(whole(path)[0, 0], values)
    acquisition = opened(path)
    for z in (0, 3, 5, 6):
        found = acquisition.read(0, 0, z, slice(3, 40), slice(11, 44))
        np.testing.assert_array_equal(found, values[z, 3:40, 11:44])


@pytest.mark.parametrize(
    ("plane", "found"),
    [
        (texture(20, 30).astype(np.int16), "Y=20, X=30 of int16"),
        (texture(20, 30).astype(np.uint8), "Y=20, X=30 of uint8"),
        (texture(18, 30), "Y=18, X=30 of uint16"),
        (np.stack([texture(20, 30)] * 3, -1), "Y=20, X=30, S=3 of uint16"),
    ],
)
def test_a_part_of_a_set_of_another_kind_is_refused_by_its_name(plane, found, tmp_path):
    values = texture(3, 20, 30)
    said = refusal(ome_set(tmp_path, values, [{}, {"plane": plane}, {}]))
    assert "1.ome.tif, plane 1" in said and found in said
    assert "where the first plane is Y=20, X=30 of uint16" in said


@pytest.mark.parametrize(
    ("said", "codecs"),
    [
        ('{"shape": [4, 33, 45]}', (None, "zlib", "lzw", None)),
        ('{"shape": [4, 33, 45]}', ("zlib", "lzw", None, "zlib")),
        ("ImageJ=1.53t\nimages=4\nslices=4\n", ("zlib", "lzw", None, "zlib")),
    ],
)
def test_pages_that_another_program_appended_are_read_by_their_own_tags(said, codecs, tmp_path):
    values, path = texture(4, 33, 45), tmp_path / "a.tif"
    for number, (plane, codec) in enumerate(zip(values, codecs, strict=True)):
        options = {"append": "force"} if number else {"description": said}
        tifffile.imwrite(path, plane, compression=codec, metadata=None, **options)
    np.testing.assert_array_equal(whole(path)[0, 0], values)


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1e-3), ("µm", 1.0), ("mm", 1e3), ("Å", 1e-4)])
def test_ome_pixel_sizes_are_taken_in_any_unit(tmp_path, unit, factor):
    sizes = {f"PhysicalSize{a}": 0.004 * (i + 1) / factor for i, a in enumerate("XYZ")}
    units = {f"PhysicalSize{a}Unit": unit for a in "XYZ"}
    metadata = {"axes": "ZYX"} | sizes | units
    tifffile.imwrite(tmp_path / "a.ome.tif", texture(2, 9, 9), metadata=metadata)
    assert opened(tmp_path / "a.ome.tif").pixel_size == pytest.approx((0.012, 0.008, 0.004))


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        *(("nm", 1e-3), ("micron", 1), ("um", 1), ("\\u00B5m", 1), ("microns", 1), ("mm", 1e3)),
        *(("um/pixel", 1), ("nm per pixel", 1e-3), ("micrometre", 1), ("inch", 25_400)),
    ],
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


def zeiss(path, columns, **entries):
    """A Zeiss TIFF whose metadata hold these entries, as they are printed."""
    numbers = "\r\n".join(["0"] * 20)
    lines = "\r\n".join(f"{key}\r\n{key} = {value}" for key, value in entries.items())
    text = f"{numbers}\r\n{lines}\r\n".encode("cp1252")
    tag = (34118, 7, len(text), text, True)
    tifffile.imwrite(path, texture(20, columns), metadata=None, extratags=[tag])
    return opened(path).pixel_size


@pytest.mark.parametrize(
    ("columns", "entries", "expected"),
    [
        # Saved as it was scanned: the more exact figure.
        (1024, {"AP_PIXEL_SIZE": "5.825 nm", "AP_WIDTH": "5.965 µm"}, 0.005825),
        # Saved with half of the columns, as the width of the field says.
        (512, {"AP_PIXEL_SIZE": "5.825 nm", "AP_WIDTH": "5.965 µm"}, 0.01165),
        (512, {"AP_IMAGE_PIXEL_SIZE": "11.65 nm", "AP_PIXEL_SIZE": "5.825 nm"}, 0.01165),
        (512, {"AP_WIDTH": "5.965 µm"}, 0.01165),
    ],
)
def test_zeiss_pixel_sizes_are_those_of_the_pixels_that_were_saved(
    columns, entries, expected, tmp_path
):
    found = zeiss(tmp_path / "a.tif", columns, **entries)
    assert found == (None, pytest.approx(expected, rel=1e-3), pytest.approx(expected, rel=1e-3))


def test_imagej_units_of_y_and_z_may_be_others_than_of_x(tmp_path):
    metadata = {"axes": "ZYX", "unit": "um", "yunit": "nm", "zunit": "nm", "spacing": -50.0}
    options = {"resolution": (250, 0.125), "imagej": True, "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", texture(2, 9, 9), **options)
    assert opened(tmp_path / "a.tif").pixel_size == pytest.approx((0.05, 0.008, 0.004), rel=1e-5)


def with_resolution(path, code, value):
    """A TIFF whose resolution tags hold a value of another type than the standard's."""
    options = {"resolution": (1, 1), "resolutionunit": "CENTIMETER", "metadata": None}
    tifffile.imwrite(path, texture(9, 9), **options)
    with tifffile.TiffFile(path) as tif:
        places = [tif.pages[0].tags[tag].offset for tag in (282, 283)]
    with open(path, "r+b") as stream:
        for place in places:
            stream.seek(place + 2)
            stream.write(struct.pack("<HI", {"f": 11, "I": 4, "H": 3, "s": 2}[code[-1]], 1))
            stream.write(struct.pack(f"<{code}", value).ljust(4, b"\0"))
    return opened(path).pixel_size


@pytest.mark.parametrize(("code", "value"), [("f", 5e5), ("I", 500_000)])
def test_resolutions_of_any_type_are_read(code, value, tmp_path):
    found = with_resolution(tmp_path / "a.tif", code, value)
    assert found == pytest.approx((None, 0.02, 0.02))


@pytest.mark.parametrize(("code", "value"), [("H", 0), ("1s", b"x"), ("f", float("nan"))])
def test_a_resolution_that_says_nothing_does_no_harm(code, value, tmp_path):
    assert with_resolution(tmp_path / "a.tif", code, value) == (None, None, None)


@pytest.mark.parametrize(
    ("sidecars", "expected"),
    [
        ({"sub-1_run-2_SEM": {"PixelSize": [0.1, 0.2], "PixelSizeUnits": "um"}}, (None, 0.2, 0.1)),
        ({"sub-1_SEM": {"PixelSize": [90, 90], "PixelSizeUnits": "nm"}}, (None, 0.09, 0.09)),
        ({"SEM": {"PixelSize": [1, 1, 2]}, "sub-1_SEM": {"PixelSize": 3}}, (None, 3, 3)),
        ({"sub-1_SEM": [], "SEM": {"PixelSize": [1, 1, 2]}}, (2, 1, 1)),
        ({"sub-2_SEM": {"PixelSize": [1, 1]}}, (None, None, None)),
        ({"sub-1_run-2_SEM": {"PixelSize": "large"}}, (None, None, None)),
    ],
)
def test_a_sidecar_tells_the_pixel_size(sidecars, expected, tmp_path):
    for name, content in sidecars.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    path = tmp_path / "sub-1_run-2_SEM.tif"
    tifffile.imwrite(path, texture(9, 9), metadata=None)
    acquisition = opened(path)
    assert acquisition.pixel_size == pytest.approx(expected)
    assert any("beside the image" in note for note in acquisition.notes) == any(expected)


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


OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>{}</Image></OME>'


@pytest.mark.parametrize(
    "description",
    [
        OME.format("<Pixels SizeX='20'")[:-14],
        OME.format("<Pixels DimensionOrder='XYZCT' SizeX='many' SizeY='20'/>"),
        OME.format("nothing"),
        "<OME></OME>",
        "ImageJ=1.53t\nimages=many\nspacing=wide\nunit=\xb5\ncf=0\nc0=deep\nc1=\n",
        '{"shape": [7, 7, 7]}',
        '{"shape": "none"',
    ],
)
def test_pixels_are_read_whatever_is_wrong_with_metadata(description, tmp_path):
    values, path = texture(20, 30), tmp_path / "a.tif"
    tifffile.imwrite(path, values, description=description.encode("utf-8"), metadata=None)
    np.testing.assert_array_equal(whole(path)[0, 0, 0], values)


def test_file_handles_are_freed(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", texture(9, 9))
    with open_acquisition(str(tmp_path / "a.tif"), Overrides()) as a:
        a.read(0, 0, 0, slice(0, 9), slice(0, 9))
        assert a._from.read.__self__.descriptors
    assert not a._from.read.__self__.descriptors
