"""Files that claim to be larger than they are: refused before anything is allocated or walked."""

import json
import os
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from acquisitions import opened, refusal
from zarr.codecs import ZstdCodec

# What a refusal may take, with the start of Python and all libraries.
SECONDS, MEGABYTES = 15, 1000
MILLION = 10**6


def zarr_claiming(folder, shape, chunks, stored=True, **more):
    """A Zarr array of one small chunk whose metadata claim another shape and other chunks."""
    zarr.create_array(
        folder / "a.zarr", shape=(8, 8), chunks=(8, 8), dtype="uint8", compressors=[ZstdCodec()]
    )[:] = 1
    said = json.loads((folder / "a.zarr/zarr.json").read_text())
    said["shape"], said["chunk_grid"]["configuration"]["chunk_shape"] = shape, chunks
    (folder / "a.zarr/zarr.json").write_text(json.dumps(said | more))
    if not stored:
        (folder / "a.zarr/c/0/0").unlink()
    return folder / "a.zarr"


def tiff_claiming(folder, shape, compression="zlib", **options):
    """A TIFF of one small strip whose tags claim another size."""
    path = folder / "a.tif"
    values = np.zeros((64, 64), np.uint8)
    tifffile.imwrite(path, values, compression=compression, metadata=None, **options)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tags = tif.pages[0].tags
        for name, value in zip(("ImageLength", "ImageWidth"), shape):
            tags[name].overwrite(value, dtype="I")
        if "RowsPerStrip" in tags:
            tags["RowsPerStrip"].overwrite(shape[0], dtype="I")
    return path


def ome_claiming(folder, planes):
    path, values = folder / "a.ome.tif", np.zeros((2, 64, 64), np.uint8)
    tifffile.imwrite(path, values, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        said = tif.ome_metadata.replace('SizeZ="2"', f'SizeZ="{planes}"')
    tifffile.imwrite(path, values, description=said, metadata=None, photometric="minisblack")
    return path


def imagej_claiming(folder, images):
    path = folder / "a.tif"
    said = f"ImageJ=1.11a\nimages={images}\nslices={images}\n"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), description=said, metadata=None)
    return path


def png_claiming(folder, width, height):
    """A PNG whose header claims a size, with nothing behind it."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)
    return folder / "a.png"


CLAIMS = {
    "zarr of 1 x 1 chunks": (zarr_claiming, ([MILLION, MILLION], [1, 1]), "1 of 1000000000000 ch"),
    "zarr without chunks": (zarr_claiming, ([MILLION, 8], [8, 8], False), "0 of 125000 chunks"),
    "zarr of a huge chunk": (zarr_claiming, ([8, 8], [1 << 40, 1 << 40]), "decoded as a whole"),
    "zarr of one chunk": (zarr_claiming, ([1 << 40] * 2, [1 << 40] * 2), "decoded as a whole"),
    "deflate": (tiff_claiming, ([MILLION, MILLION],), "decoded as a whole"),
    "deflate, 3 GB": (tiff_claiming, ([50_000, 60_000],), "claim to hold 3e.03 MB"),
    "lzw": (tiff_claiming, ([MILLION, MILLION], "lzw"), "decoded as a whole"),
    "zstd": (tiff_claiming, ([40_000, 40_000], "zstd"), "claim to hold"),
    "uncompressed": (tiff_claiming, ([MILLION, MILLION], None), "truncated|damaged"),
    "ome-xml": (ome_claiming, (10**12,), "metadata that promise 1e.12 planes"),
    "imagej": (imagej_claiming, (10**12,), "metadata that promise 1e.12 planes"),
    "png": (png_claiming, (MILLION, MILLION), "decoded as a whole"),
    "png, 400 MB": (png_claiming, (20_000, 20_000), "claim to hold"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_compared_with_what_is_stored(name, tmp_path):
    make, given, words = CLAIMS[name]
    path = make(tmp_path, *given)
    code = f"""
        import re, sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from acquisitions import refusal
        from memory import peak_mb
        said = refusal({str(path)!r})
        assert re.search({words!r}, said) and "\\n" not in said, said
        assert peak_mb() < {MEGABYTES}, peak_mb()
    """
    core = str(Path(__file__).parents[2] / "workflow/scripts")
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHONPATH": core},
        check=True,
        timeout=SECONDS,
    )


def test_honest_files_that_shrink_far_are_read(tmp_path):
    blank = np.zeros((4096, 4096), np.uint8)
    blank[0, 0] = 1
    for compression in ("zlib", "zstd", "lzma", "lzw"):
        tifffile.imwrite(tmp_path / "a.tif", blank, compression=compression)
        assert opened(tmp_path / "a.tif").shape[3:] == blank.shape
    array = zarr.create_array(
        tmp_path / "b.zarr", shape=(8192, 8192), chunks=(256, 256), dtype="uint8"
    )
    array[:256, :1024] = 1
    assert opened(tmp_path / "b.zarr", axes="YX").shape[3:] == (8192, 8192)


def test_a_tiff_whose_pages_lead_back_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    values = np.zeros((3, 32, 32), np.uint8)
    tifffile.imwrite(path, values, metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        first, last = tif.pages[0].offset, tif.pages[-1].offset
    data = bytearray(path.read_bytes())
    [entries] = struct.unpack_from("<H", data, last)
    struct.pack_into("<I", data, last + 2 + 12 * entries, first)
    path.write_bytes(data)
    assert "damaged" in refusal(path)
