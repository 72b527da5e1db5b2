"""PNG and its like, and folders and globs of slices."""

import random
from pathlib import Path

import numpy as np
import pytest
import tifffile
from acquisitions import opened, refusal, texture, whole, write_slices
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pssrflow.ingest.readers.formats import readers_of
from pssrflow.ingest.readers.order import in_order
from pssrflow.run.rerun import fingerprint


def test_a_16_bit_png_is_exact(tmp_path):
    values = np.arange(40 * 50, dtype="uint16").reshape(40, 50) * 32
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(whole(tmp_path / "a.png")[0, 0, 0], values)


def test_a_16_bit_colour_png_is_exact(tmp_path):
    import imagecodecs

    values = texture(20, 30, 3) * 257
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(values))
    found = whole(tmp_path / "a.png", channels="red, green, blue")
    np.testing.assert_array_equal(found[0, :, 0], np.moveaxis(values, -1, 0))


def with_palette(path, values, colour):
    """Write indices with the colour that each of them is shown in."""
    if path.suffix == ".tif":
        table = np.array([colour(i) for i in range(256)], np.uint16).T * 257
        tifffile.imwrite(path, values, photometric="palette", colormap=table, metadata=None)
        return
    image = Image.fromarray(values)
    image.putpalette([c for i in range(256) for c in colour(i)])
    image.save(path)
    assert Image.open(path).mode == "P"


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize(
    "colour",
    [
        lambda i: (i, 0, 0),
        lambda i: (255 - i, 255 - i, 0),
        # Fire: no colour of it grows all along, but its brightness does.
        lambda i: (min(255, 2 * i), max(0, 2 * i - 255), max(0, 60 - abs(i - 60) // 2)),
        # Entries that no pixel has are black.
        lambda i: (i, i, i) if i < 250 else (0, 0, 0),
    ],
    ids=["red", "inverted", "fire", "short"],
)
def test_a_palette_that_grows_gives_its_indices_and_not_its_colours(name, colour, tmp_path):
    values = texture(40, 50, dtype="uint8")
    with_palette(tmp_path / name, values, colour)
    np.testing.assert_array_equal(whole(tmp_path / name)[0, 0, 0], values)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_palette_of_labels_is_refused_but_of_a_mask(name, tmp_path):
    values = texture(40, 50, dtype="uint8")
    with_palette(tmp_path / name, values, lambda i: (i * 97 % 256, i * 31 % 256, i * 57 % 256))
    assert "do not become brighter with the index" in refusal(tmp_path / name)
    np.testing.assert_array_equal(whole(tmp_path / name, flat=True)[0, 0, 0], values)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_grey_and_colour_rasters_are_exact(tmp_path, suffix):
    grey, colour = texture(40, 50, dtype="uint8"), texture(40, 50, 3, dtype="uint8")
    Image.fromarray(grey).save(tmp_path / f"grey.{suffix}")
    Image.fromarray(colour).save(tmp_path / f"colour.{suffix}")
    np.testing.assert_array_equal(whole(tmp_path / f"grey.{suffix}")[0, 0, 0], grey)
    path = tmp_path / f"colour.{suffix}"
    assert "a picture in colours" in refusal(path) and "red, green, blue" in refusal(path)
    found = whole(path, channels="blue, red")
    np.testing.assert_array_equal(found[0, :, 0], np.moveaxis(colour[..., [2, 0]], -1, 0))
    assert opened(path, channels="blue, red").channels == ("blue", "red")


@pytest.mark.parametrize(
    ("name", "alpha"),
    [("a.png", False), ("a.png", True), ("a.tif", False), ("a.tif", True), ("a.bmp", False)],
)
def test_colours_that_are_all_alike_are_grey(name, alpha, tmp_path):
    grey = texture(40, 50, dtype="uint8")
    values = np.stack([grey] * 3 + [np.full_like(grey, 255)] * alpha, -1)
    if name == "a.tif":
        more = {"extrasamples": ["unassalpha"]} if alpha else {}
        tifffile.imwrite(tmp_path / name, values, photometric="rgb", metadata=None, **more)
    else:
        Image.fromarray(values).save(tmp_path / name)
    found = opened(tmp_path / name)
    assert found.shape == (1, 1, 1, 40, 50) and found.channels == ("0",)
    assert any("taken as grey" in note for note in found.notes)
    assert any("alpha" in note for note in found.notes) == alpha
    np.testing.assert_array_equal(whole(tmp_path / name)[0, 0, 0], grey)
    # One pixel of another colour, and nothing of it may be thrown away.
    values[7, 9, 1] += 1
    if name != "a.tif":
        Image.fromarray(values).save(tmp_path / name)
        assert "a picture in colours" in refusal(tmp_path / name)


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


@pytest.mark.parametrize(
    "names",
    [
        ["z_-10", "z_-5", "z_0", "z_5", "z_10"],
        ["z=-1.5", "z=-1.25", "z=0.0", "z=0.75"],
        ["z1.0", "z1.25", "z1.5", "z2.0"],
        ["z0.5um", "z10.0um", "z10.25um"],
        ["run-1", "run-2", "run-10"],
        ["s1.8", "s1.9", "s1.10", "s1.11"],
        ["s1.2.3", "s1.2.10"],
        ["-2", "-1", "0", "1"],
        ["a_1", "a_2", "b_1"],
    ],
)
@given(seed=st.integers(0, 99))
def test_slices_lie_as_people_count(names, seed):
    mixed = [Path(f"{name}.tif") for name in names]
    random.Random(seed).shuffle(mixed)
    assert [path.stem for path in in_order(mixed)] == names


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    write_slices(tmp_path, range(3))
    (tmp_path / "slice_9.tif").symlink_to(tmp_path / "gone.tif")
    assert "slice_9.tif: 1 links that lead nowhere, the first to" in refusal(tmp_path)
    # What is planned before the file is looked at goes on.
    assert fingerprint((str(tmp_path),)) and readers_of(str(tmp_path))


def test_a_stack_has_the_black_level_of_its_slices(tmp_path):
    calibration = {"axes": "YX", "cf": 0, "c0": -32768.0, "c1": 1.0}
    for z in range(3):
        path = tmp_path / f"s_{z}.tif"
        tifffile.imwrite(path, texture(20, 30) + 33000, imagej=True, metadata=calibration)
    assert opened(tmp_path).black == 32768


def test_slices_of_one_bit_and_of_bytes_are_one_stack(tmp_path):
    values = texture(2, 40, 50, dtype="uint8") // 128 * np.uint8(255)
    Image.fromarray(values[0]).save(tmp_path / "0.png")
    Image.fromarray(values[1] > 0).save(tmp_path / "1.png")
    np.testing.assert_array_equal(whole(tmp_path)[0, 0], values)
