"""What the microscope says: the scan, the pixel size, and the bar below the image."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from acquisitions import opened, refusal, texture, whole
from PIL import Image, ImageDraw

DATA = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the development images are not here")

HITACHI = """[SemImageFile]
InstructName=SU8230
SignalName=SE(U)
DataSize=320x176
PixelSize=9.921875 (nm)
Magnification=10000
AcceleratingVoltage=3000 Volt
WorkingDistance=8100 um
ScanSpeed=CSS(20)
Date=09/21/2024
Time=10:20:30
"""
JEOL = """$SEM_DATA_VERSION 1
$CM_INSTRUMENT JSM-7001F
$CM_SIGNAL SEI
$CM_MAG 5000
$CM_ACCEL_VOLT 15.0
$CM_FULL_SIZE 320 176
$CM_DATE 2024/09/21
$CM_TIME 10:20:30
$$SM_MICRON_BAR 200
$$SM_MICRON_MARKER 10um
"""
TESCAN = """[MAIN]
Device=VEGA3 LMU
Magnification=2500
PixelSizeX=2.5e-08
PixelSizeY=2.5e-08
Date=2024-09-21
Time=10:20:30
[SEM]
DwellTime=1e-05
HV=20000
PredictedBeamCurrent=2e-10
WD=0.0151
Detector0=SE
ImageStripSize=24
"""


def drawn(path, height=200, bar=24, dtype=np.uint8):
    """An image with a bar below it, as a picture's file."""
    values = texture(height, 320, dtype=np.uint8)
    if bar:
        picture = Image.new("L", (320, bar), 0)
        draw = ImageDraw.Draw(picture)
        draw.text((4, 4), "15 kV  x 5000", fill=255)
        draw.line((90, bar // 2, 115, bar // 2), fill=255)
        values[-bar:] = np.asarray(picture)
    white = np.iinfo(dtype).max
    Image.fromarray((values.astype(np.uint32) * white // 255).astype(dtype)).save(path)
    return values


@pytest.mark.parametrize(
    ("text", "suffix", "size", "told"),
    [
        (
            HITACHI,
            ".txt",
            0.009921875,
            {"instrument": "Hitachi SU8230", "voltage_kv": 3.0, "detector": "SE(U)"},
        ),
        (JEOL, ".txt", 0.05, {"instrument": "JEOL JSM-7001F", "voltage_kv": 15.0}),
        (TESCAN, ".hdr", 0.025, {"instrument": "TESCAN VEGA3 LMU", "dwell_us": 10.0}),
    ],
    ids=["Hitachi", "JEOL", "TESCAN"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_text_beside_an_image_tells_the_scan(text, suffix, size, told, encoding, tmp_path):
    values = drawn(tmp_path / "a.tif")
    (tmp_path / f"a{suffix}").write_text(text, encoding=encoding)
    found = opened(tmp_path / "a.tif", info_bar="auto")
    assert found.pixel_size[1:] == pytest.approx((size, size))
    assert told.items() <= dict(found.microscope).items()
    assert f"pixel size from a{suffix}" in " ".join(found.notes)
    image = whole(tmp_path / "a.tif", info_bar="auto")[0, 0, 0]
    np.testing.assert_array_equal(image, values[:176])


@pytest.mark.parametrize(
    ("marker", "encoding"),
    [
        ("10um", "utf-8"),
        ("10 \u00b5m", "utf-8"),
        ("10 \u00b5m", "latin-1"),
        ("10\u03bcm", "cp932"),
    ],
)
def test_jeols_micrometers_are_read_however_they_are_written(marker, encoding, tmp_path):
    text = JEOL.replace("10um", marker).encode(encoding)
    drawn(tmp_path / "a.tif")
    (tmp_path / "a.txt").write_bytes(text)
    assert opened(tmp_path / "a.tif").pixel_size[1:] == pytest.approx((0.05, 0.05))


def test_a_text_that_is_no_microscopes_is_left_alone(tmp_path):
    drawn(tmp_path / "a.tif", bar=0)
    for text in ("my notes: good", "[section\nbroken", "\x00\x01", "PixelSize=3"):
        (tmp_path / "a.txt").write_text(text)
        assert opened(tmp_path / "a.tif").pixel_size == (None, None, None)


def test_tescans_tag_is_read(tmp_path):
    main, beam = (part.split("]\n")[1].encode() for part in TESCAN.split("[SEM"))
    # Blocks of a size, a kind and what they hold: a small JPEG, two texts, the end.
    blocks = [(1, b"\xff\xd8\xff[\x00=x\n\x80"), (2, main), (3, beam), (0, b"")]
    tag = b"".join(struct.pack("<IH", len(held) + 2, kind) + held for kind, held in blocks)
    told = [(50431, "B", len(tag), tag, True)]
    tifffile.imwrite(tmp_path / "a.tif", texture(60, 40, dtype="uint8"), extratags=told)
    found = opened(tmp_path / "a.tif", info_bar="auto")
    assert found.pixel_size[1:] == pytest.approx((0.025, 0.025))
    assert found.microscope["instrument"] == "TESCAN VEGA3 LMU"
    assert found.microscope["current_na"] == pytest.approx(0.2) and found.shape[3] == 36


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_bar_is_found_and_left_out_and_said(name, dtype, tmp_path):
    drawn(tmp_path / name, dtype=dtype)
    found = opened(tmp_path / name, info_bar="auto")
    assert found.shape[3] in (175, 176)
    assert any("info bar" in note for note in found.notes)
    assert opened(tmp_path / name, info_bar="keep").shape[3] == 200
    assert opened(tmp_path / name, info_bar=30).shape[3] == 170
    assert "200 rows of 200" in refusal(tmp_path / name, info_bar=200)


def test_hitachis_bar_full_of_words_lies_over_the_image_and_the_text_does_not_say_so(tmp_path):
    values = drawn(tmp_path / "a.tif", bar=0)
    # A quarter to a third of the rows with words is white, as on a TM4000.
    bar = np.zeros((24, 320), np.uint8)
    bar[8:16, np.arange(320) % 10 < 3] = 255
    values[-24:] = bar
    Image.fromarray(values).save(tmp_path / "a.tif")
    (tmp_path / "a.txt").write_text(HITACHI.replace("320x176", "320x200"))
    found = opened(tmp_path / "a.tif", info_bar="auto")
    assert found.shape[3] in (175, 176) and found.pixel_size[1] == pytest.approx(0.009921875)


@pytest.mark.parametrize("scene", ["texture", "dark below", "constant", "half", "labels"])
def test_an_image_without_a_bar_is_kept(scene, tmp_path):
    values = texture(128, 120, dtype=np.uint8)
    if scene == "dark below":
        # A specimen whose edge fades into resin.
        fade = np.clip(np.linspace(6, 0, 128), 0, 1)[:, None]
        values = (values * fade + texture(128, 120, dtype=np.uint8) % 7).astype(np.uint8)
    elif scene == "constant":
        values[100:] = 7
    elif scene == "half":
        values[60:] = 0
    elif scene == "labels":
        values = (np.hypot(*np.mgrid[-64:64, -60:60]) < 55).astype(np.uint8) * 255
    Image.fromarray(values).save(tmp_path / "a.png")
    assert opened(tmp_path / "a.png", info_bar="auto").shape[3] == 128


def test_slices_with_a_bar_lose_it_all(tmp_path):
    for number in range(3):
        drawn(tmp_path / f"slice_{number}.tif")
    assert opened(tmp_path, info_bar="auto").shape[2:4] in ((3, 175), (3, 176))


@real
@pytest.mark.parametrize(
    ("name", "rows", "told"),
    [
        (
            "sem_vendor_metadata/fei-sem-rbc.tif",
            1024,
            {"instrument": "FEI Teneo", "dwell_us": 10, "voltage_kv": 2, "current_na": 0.05},
        ),
        (
            "sem_vendor_metadata/test_tiff_Zeiss_SEM_1k.tif",
            686,
            {
                "instrument": "Zeiss Merlin",
                "voltage_kv": 25,
                "dwell_us": 0.05,
                "magnification": 105,
            },
        ),
        ("em_misc_training_resources/xy_8bit__em_fly_eye.tif", 315, {}),
    ],
)
def test_real_images_lose_their_bar_and_tell_their_scan(name, rows, told):
    found = opened(DATA / name, info_bar="auto")
    assert found.shape[3] == rows
    assert {key: found.microscope[key] for key in told} == told


@real
def test_no_other_real_image_has_a_bar():
    with_bar = {"fei-sem-rbc.tif", "test_tiff_Zeiss_SEM_1k.tif", "xy_8bit__em_fly_eye.tif"}
    files = [f for f in DATA.rglob("*") if f.suffix in (".tif", ".tiff", ".png")]
    found = {
        f.name
        for f in files
        if any("info bar" in note for note in opened(f, info_bar="auto").notes)
    }
    assert found == with_bar
