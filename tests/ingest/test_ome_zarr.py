"""OME-Zarr of both versions, plain arrays and collections."""

import numpy as np
import pytest
import zarr
from acquisitions import opened, refusal, texture, whole, write_ome_zarr


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


def edited(path, edit):
    """Change the OME metadata of a store."""
    group = zarr.open_group(path, mode="r+")
    ome = dict(group.attrs)["ome"]
    edit(ome)
    group.attrs["ome"] = ome


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([None, 7], ("0", "7")), (["DNA", ""], ("DNA", "1")), ([1.5, "x"], ("1.5", "x"))],
)
def test_labels_of_channels_become_text(labels, expected, tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", texture(2, 2, 3, 40, 50))

    def edit(ome):
        for channel, label in zip(ome["omero"]["channels"], labels, strict=True):
            channel["label"] = label

    edited(tmp_path / "a.zarr", edit)
    assert opened(tmp_path / "a.zarr").channels == expected


@pytest.mark.parametrize(
    ("scale", "factor"), [([2, 2, 2], 2), ([1, 1, 2, 2, 2], 2), ([3], None), (None, 1), ("x", 1)]
)
def test_a_global_scale_of_another_length_is_that_of_the_last_axes(scale, factor, tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", texture(2, 2, 3, 40, 50))
    plain = opened(tmp_path / "a.zarr").pixel_size

    def edit(ome):
        ome["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": scale}]

    edited(tmp_path / "a.zarr", edit)
    found = opened(tmp_path / "a.zarr")
    expected = (plain[0], plain[1], 3 * plain[2]) if factor is None else [factor * n for n in plain]
    assert found.pixel_size == pytest.approx(tuple(expected))
    assert any("scale" in note for note in found.notes) == (scale != [1, 1, 2, 2, 2])


@pytest.mark.parametrize(
    ("given", "crop", "pixels"),
    [
        ([0, 0, 1, 2, 3], None, (1, 2, 3)),
        ([1, -2, 3], None, (1, -2, 3)),
        ([0, 0, 1, 2, 3], "1:, 4:, 5:", (2, 6, 8)),
        ([0, 0, 1, float("inf"), 3], None, (0, 0, 0)),
        (None, None, (0, 0, 0)),
    ],
)
def test_a_translation_is_kept_as_origin(given, crop, pixels, tmp_path):
    """In nanometers in the file, in pixels in a store; a crop begins further on."""
    path = tmp_path / "a.zarr"
    write_ome_zarr(path, texture(2, 2, 3, 40, 50))
    size = opened(path).pixel_size
    numbers = given
    if given:
        space = [n * s * 1e3 for n, s in zip(given[-3:], size, strict=True)]
        numbers = [*given[:-3], *space]

    def edit(ome):
        ome["multiscales"][0]["coordinateTransformations"] = [
            {"type": "translation", "translation": numbers}
        ]

    edited(path, edit)
    assert opened(path, crop=crop).origin == pytest.approx(pixels)


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
