"""HDF5, MRC and N5: arrays of any axes, read in rectangles, and refused in words."""

import contextlib
import json
import shutil

import h5py
import mrcfile
import numpy as np
import pytest
import tensorstore
from acquisitions import opened, refusal, texture, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pssrflow.errors import InputError

ZYX = (4, 40, 50)


@pytest.fixture
def h5(tmp_path):
    """Function that writes arrays, by their paths in the file, and returns its path."""

    def write(arrays, **options):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file.create_dataset(name, data=values, **options)
        return path

    return write


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 16, 16), "compression": "gzip"}])
def test_an_array_is_named_by_its_path_in_the_file(h5, options):
    values = texture(*ZYX)
    path = h5({"volumes/raw": values, "volumes/labels": values + 1}, **options)
    np.testing.assert_array_equal(whole(f"{path}:/volumes/raw")[0, 0], values)
    crop = whole(f"{path}:/volumes/raw", crop="1:3, 5:20, 7:50")
    np.testing.assert_array_equal(crop[0, 0], values[1:3, 5:20, 7:50])


def test_the_path_may_be_left_out_where_there_is_one_image(h5):
    values = texture(*ZYX)
    path = h5({"deep/inside/raw": values, "about": np.arange(7)})
    np.testing.assert_array_equal(whole(path)[0, 0], values)


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("", "2 arrays that may be images"),
        (":/volumes", "a group at /volumes"),
        (":/volumes/gone", "nothing at /volumes/gone"),
    ],
)
def test_other_paths_are_refused_with_those_that_there_are(h5, inside, found):
    path = h5({"volumes/raw": texture(*ZYX), "volumes/labels": texture(*ZYX)})
    message = refusal(f"{path}{inside}")
    assert found in message and "a.h5:/volumes/labels, a.h5:/volumes/raw" in message


def test_axes_and_pixel_size_of_an_array_are_those_of_its_writer(h5):
    path = h5({"raw": texture(3, 2, 40, 50)})
    with h5py.File(path, "a") as file:
        file["raw"].attrs["axistags"] = json.dumps({"axes": [{"key": k} for k in "tcyx"]})
        file["raw"].attrs["element_size_um"] = [0.5, 0.004, 0.005]
    found = opened(path)
    assert found.shape == (3, 2, 1, 40, 50) and found.pixel_size == (None, 0.004, 0.005)
    labelled = h5({"raw": texture(5, 40, 50)})
    with h5py.File(labelled, "a") as file:
        for dimension, label in zip(file["raw"].dims, "zyx"):
            dimension.label = label
        file["raw"].attrs["element_size_um"] = [0.5, 0.004, 0.005]
    assert opened(labelled).pixel_size == (0.5, 0.004, 0.005)
    assert not any("unnamed axis" in note for note in opened(labelled).notes)


def test_an_array_that_claims_far_more_than_is_stored_is_refused(h5, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("raw", (1000, 20_000, 20_000), "uint16", chunks=(1, 64, 64))
    assert "claim to hold" in refusal(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("raw", (8, 40_000, 40_000), "uint16", chunks=(4, 40_000, 40_000))
    assert "decoded as a whole" in refusal(tmp_path / "b.h5")


@pytest.fixture
def mrc(tmp_path):
    """Function that writes an MRC and returns its path."""

    def write(values, voxel=None, stack=False, imod=None, name="a.mrc"):
        path = tmp_path / name
        with mrcfile.new(path, overwrite=True) as file:
            file.set_data(values)
            if voxel:
                file.voxel_size = voxel
            if stack:
                file.set_image_stack()
        if imod is not None:
            data = bytearray(path.read_bytes())
            data[108:112] = bytes(4)
            data[152:160] = np.array([1146047817, imod], "<i4").tobytes()
            path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "int8", "float16"])
def test_an_mrc_is_read_in_place(mrc, dtype):
    values = (texture(*ZYX).astype(int) - 125 * (dtype[0] == "i")).astype(dtype)
    path = mrc(values, voxel=(10.0, 20.0, 500.0))
    found = opened(path)
    wider = {"int8": "int16", "float16": "float32"}.get(dtype, dtype)
    assert found.dtype == wider and found.shape == (1, 1, *ZYX)
    assert found.pixel_size == pytest.approx((0.05, 0.002, 0.001))
    np.testing.assert_array_equal(whole(path)[0, 0], values)
    crop = whole(path, crop="1:3, 5:20, 7:50")
    np.testing.assert_array_equal(crop[0, 0], values[1:3, 5:20, 7:50])


def test_bytes_of_imod_are_signed_where_its_flag_says_so(mrc):
    values = (texture(*ZYX).astype(int) - 125).astype(np.int8)
    np.testing.assert_array_equal(whole(mrc(values, imod=1))[0, 0], values)
    unsigned = whole(mrc(values, imod=0))
    assert unsigned.dtype == np.uint8
    np.testing.assert_array_equal(unsigned[0, 0], values.view(np.uint8))


def test_planes_of_a_stack_of_images_have_no_distance(mrc):
    found = opened(mrc(texture(*ZYX), voxel=(10.0, 10.0, 10.0), stack=True, name="a.st"))
    assert found.pixel_size == pytest.approx((None, 0.001, 0.001))


def test_a_complex_mrc_and_a_short_one_are_refused(mrc, tmp_path):
    assert "data type complex64" in refusal(mrc(texture(*ZYX).astype(np.complex64)))
    path = mrc(texture(*ZYX))
    path.write_bytes(path.read_bytes()[:-1000])
    assert "no intact MRC" in refusal(path)


@pytest.fixture
def n5(tmp_path):
    """Function that writes an array of N5, of which x is the first axis, and its attributes."""

    def write(values, inside="raw/s0", **attributes):
        folder = tmp_path / "a.n5" / inside
        shutil.rmtree(folder, ignore_errors=True)
        spec = {
            "driver": "n5",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "metadata": {
                "dimensions": values.shape[::-1],
                "dataType": values.dtype.name,
                "blockSize": [16] * values.ndim,
                "compression": {"type": "gzip"},
            },
        }
        tensorstore.open(spec, create=True).result().write(values.T).result()
        about = json.loads((folder / "attributes.json").read_text())
        (folder / "attributes.json").write_text(json.dumps(about | attributes))
        return folder

    return write


def test_an_n5_is_read_with_its_axes_turned(n5):
    values = texture(*ZYX)
    about = {"pixelResolution": {"dimensions": [4, 5, 40], "unit": "nm"}}
    folder = n5(values, **about)
    found = opened(folder)
    assert found.shape == (1, 1, *ZYX)
    assert found.pixel_size == pytest.approx((0.04, 0.005, 0.004))
    np.testing.assert_array_equal(whole(folder)[0, 0], values)
    crop = whole(folder, crop="1:3, 5:20, 7:50")
    np.testing.assert_array_equal(crop[0, 0], values[1:3, 5:20, 7:50])


def test_of_a_container_the_only_array_is_read_at_its_finest_level(n5, tmp_path):
    values = texture(*ZYX)
    n5(values)
    n5(values[:, ::2, ::2], "raw/s1")
    np.testing.assert_array_equal(whole(tmp_path / "a.n5")[0, 0], values)
    n5(values, "labels/s0")
    message = refusal(tmp_path / "a.n5")
    assert "2 arrays of N5" in message and "a.n5/raw/s0" in message


@pytest.mark.parametrize("kind", ["h5", "mrc", "n5"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_is_refused_in_words_or_leaves_the_pixels_as_they_are(kind, data, h5, mrc, n5):
    values = texture(2, 20, 30, dtype="uint8" if kind != "mrc" else "uint16")
    path = {"h5": lambda v: h5({"raw": v}), "mrc": mrc, "n5": n5}[kind](values)
    file = path / "attributes.json" if kind == "n5" else path
    content = bytearray(file.read_bytes())
    # The header: what comes after it are pixels, of which nothing tells which are right.
    end = {"h5": 2048, "mrc": 1024, "n5": len(content)}[kind]
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(end, len(content)) - 1))] = data.draw(
            st.integers(0, 255)
        )
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    file.write_bytes(content)
    with contextlib.suppress(InputError):
        whole(path)
