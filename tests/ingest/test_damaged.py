"""Files that are damaged, empty or no images are refused, never read in part."""

import logging

import numpy as np
import pytest
import tifffile
from acquisitions import opened, refusal, texture

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
