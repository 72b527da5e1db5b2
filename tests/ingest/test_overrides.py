"""What the sample sheet may say of an acquisition: read, or refused with what is accepted."""

import numpy as np
import pytest
import tifffile
from acquisitions import opened, refusal, texture, whole
from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import completed, open_acquisition
from pssrflow.volumes.regions import parse_crop, parse_pixel_size


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
    assert (
        "if they are frames, write TYX in the column `axes`" in opened(tmp_path / "a.tif").notes[0]
    )
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


HR = {"imagej": True, "resolution": (250, 250), "metadata": {"axes": "YX", "unit": "um"}}


@pytest.mark.parametrize(
    ("lr", "sheet", "expected", "note"),
    [
        ({}, None, 0.016, ""),
        ({"imagej": True, "resolution": (100, 100)}, None, 0.016, "though the file says y 0.01"),
        ({"imagej": True, "resolution": (62.5, 62.5)}, None, 0.016, ""),
        ({}, "15 nm", 0.015, ""),
    ],
)
def test_an_lr_image_has_the_pixel_size_of_its_hr_image_times_the_scale(
    lr, sheet, expected, note, tmp_path
):
    tifffile.imwrite(tmp_path / "hr.tif", texture(64, 64), **HR)
    options = {"metadata": {"axes": "YX", "unit": "um"}} if lr else {"metadata": None}
    tifffile.imwrite(tmp_path / "lr.tif", texture(16, 16), **lr, **options)
    beside = {"path": str(tmp_path / "hr.tif"), "overrides": {}, "scale": 4, "mask": False}
    overrides = completed(Overrides(pixel_size=sheet), tmp_path / "lr.tif", beside)
    with open_acquisition(str(tmp_path / "lr.tif"), overrides) as acquisition:
        assert acquisition.pixel_size[1:] == pytest.approx((expected, expected), rel=1e-4)
        assert not any("is not in the file" in text for text in acquisition.notes)
        assert any(text.startswith("pixel size taken") for text in acquisition.notes) == bool(note)
        assert any(note in text for text in acquisition.notes) or not note


@pytest.mark.parametrize(
    ("shape", "crop", "read"),
    [
        ((16, 16), "1:5, 2:10", (4, 8)),
        ((64, 64), "4:20, 8:40", (16, 32)),
        ((60, 16), None, None),
        ((3, 16, 16), None, None),
        # As a program for pictures saves a mask: in colours that are all alike.
        ((16, 16, 3), "1:5, 2:10", (4, 8)),
    ],
)
def test_a_mask_is_as_large_as_an_image_of_its_row_and_cropped_alike(shape, crop, read, tmp_path):
    """Else it is refused while it is ingested, not after a training."""
    tifffile.imwrite(tmp_path / "lr.tif", texture(16, 16))
    options = {"photometric": "rgb"} if shape[-1] == 3 else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "mask.tif", np.ones(shape, np.uint8), **options)
    lr = {"path": str(tmp_path / "lr.tif"), "overrides": {"crop": "1:5, 2:10"}}
    beside = lr | {"scale": 4, "mask": True}
    given = Overrides(crop="4:20, 8:40", flat=True)
    if read is None:
        with pytest.raises(InputError, match=r"mask\.tif: .*a mask of t,c,z,y,x = .*for .*lr\.tif"):
            completed(given, tmp_path / "mask.tif", beside)
        return
    found = completed(given, tmp_path / "mask.tif", beside)
    assert found.crop == crop
    with open_acquisition(str(tmp_path / "mask.tif"), found) as acquisition:
        assert acquisition.shape[3:] == read
