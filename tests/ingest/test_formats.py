"""Formats are found by what their files define, and told apart without loading any of them."""

import subprocess
import sys

import pytest
import tifffile
from acquisitions import texture, write_ome_zarr, write_slices
from pssrflow.ingest.readers.formats import format_of, formats, readers_of
from pssrflow.plugins import declared
from pssrflow.run.rerun import reach

FOLDER = "pssrflow.ingest.readers"
# Of a path that cannot be told, all may be needed.
EVERY = [module.rpartition(".")[2] for module in formats()]


def read_by(path):
    """Names of the readers' files."""
    return [s.removeprefix(f"{FOLDER}.").removesuffix(":open_file") for s in readers_of(str(path))]


def test_every_format_says_when_it_is_asked_and_what_it_reads():
    ranks = [declared(module, "RANK") for module in formats()]
    assert ranks == sorted(set(ranks))
    assert all(declared(module, "NAMES") for module in formats())
    known = "ome_zarr", "slices", "tiff", "raster", "vendor"
    assert tuple(name for name in EVERY if name in known) == known


def test_formats_are_told_apart_without_loading_a_reader(root, tmp_path):
    code = f"""
import sys
from pssrflow.ingest.readers.formats import readers_of
assert len(readers_of({str(tmp_path)!r})) == 1
assert len(readers_of("a.ome.tif")) == 1
heavy = ["tifffile", "zarr", "PIL", "imagecodecs", "natsort", "openreadout", "h5py"]
print([name for name in heavy if name in sys.modules])
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root / "workflow" / "scripts",
    )
    assert found.stdout.strip() == "[]"


def test_a_path_names_the_readers_that_it_needs(tmp_path):
    tifffile.imwrite(tmp_path / "plain", texture(8, 8))
    (tmp_path / "stack").mkdir()
    write_slices(tmp_path / "stack", range(3))
    (tmp_path / "stack" / "extra.png").touch()
    write_ome_zarr(tmp_path / "a.zarr", texture(1, 1, 1, 8, 8))
    assert read_by(tmp_path / "plain") == ["tiff"]
    assert read_by(tmp_path / "stack") == ["slices", "tiff", "raster"]
    assert read_by(tmp_path / "stack" / "*.tif") == ["slices", "tiff"]
    assert read_by(tmp_path / "a.zarr") == ["ome_zarr"]
    assert read_by("s3://bucket/a.zarr") == ["ome_zarr"]


@pytest.mark.parametrize(
    ("path", "readers"),
    [
        ("a.ome.tif", ["tiff"]),
        ("a.PNG", ["raster"]),
        ("a.czi", ["vendor"]),
        ("a.h5:/volumes/raw", ["hdf5"]),
        ("a.HDF5", ["hdf5"]),
        ("a.rec", ["mrc"]),
        ("a.dv", ["extras"]),
        ("a/*.tif", ["slices", "tiff"]),
        ("a", EVERY),
        ("a" * 1000, EVERY),
    ],
)
def test_what_is_yet_to_be_made_is_known_by_its_name(path, readers):
    assert read_by(path) == readers


def test_slices_need_the_same_readers_before_and_after_they_are_made(tmp_path):
    before = readers_of(f"{tmp_path}/stack/*.tif")
    (tmp_path / "stack").mkdir()
    write_slices(tmp_path / "stack", range(2))
    assert readers_of(f"{tmp_path}/stack/*.tif") == before == readers_of(str(tmp_path / "stack"))


def test_a_name_with_brackets_is_a_file_and_no_glob(tmp_path):
    tifffile.imwrite(tmp_path / "a[1].tif", texture(8, 8))
    assert format_of(str(tmp_path / "a[1].tif")) == f"{FOLDER}.tiff"


def test_code_of_other_formats_does_not_count(root):
    script = root / "workflow" / "scripts" / "ingest.py"
    files = {path.stem for path in reach(script)}
    assert not files & {"tiff", "tiff_pages", "tiff_metadata", "raster", "vendor", "slices"}
    with_tiff = {path.stem for path in reach(script, *readers_of("a.tif"))}
    assert with_tiff - files == {"tiff", "tiff_pages", "tiff_metadata", "recent", "companion"}
