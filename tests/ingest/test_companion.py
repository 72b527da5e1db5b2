"""OME-TIFF sets with a companion file: a part, the companion and the folder all read the set."""

import numpy as np
import pytest
import tifffile
from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition

SCHEMA = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
NAMES = [f"a_z{z}.ome.tif" for z in range(3)]


@pytest.fixture
def planes(tmp_path, rng):
    """Pixels of a set of three parts, which lies in `tmp_path`."""
    values = rng.integers(0, 255, (3, 64, 80), np.uint8)
    for z, name in enumerate(NAMES):
        only = '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:c"/>'
        text = f'<?xml version="1.0"?><OME {SCHEMA} UUID="urn:uuid:{z}">{only}</OME>'
        tifffile.imwrite(tmp_path / name, values[z], description=text, metadata=None)
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{z}</UUID></TiffData>'
        for z, name in enumerate(NAMES)
    )
    sizes = 'SizeX="80" SizeY="64" SizeZ="3" SizeC="1" SizeT="1"'
    physical = 'PhysicalSizeX="0.004" PhysicalSizeY="0.004" PhysicalSizeZ="0.05"'
    (tmp_path / "a.companion.ome").write_text(
        f'<?xml version="1.0"?><OME {SCHEMA} UUID="urn:uuid:c"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" {sizes} {physical}>'
        f'<Channel ID="Channel:0:0" Name="SE"/>{parts}</Pixels></Image></OME>'
    )
    return values


@pytest.mark.parametrize("named", ["a_z0.ome.tif", "a_z2.ome.tif", "a.companion.ome", "."])
def test_whatever_is_named_the_set_is_read(named, planes, tmp_path):
    with open_acquisition(tmp_path / named, Overrides()) as found:
        assert found.shape == (1, 1, 3, 64, 80)
        assert found.pixel_size == (0.05, 0.004, 0.004) and found.channels == ("SE",)
        assert {file.name for file in found.files} == {*NAMES, "a.companion.ome"}
        for z in range(3):
            read = found.read(0, 0, z, slice(0, 64), slice(0, 80))
            np.testing.assert_array_equal(read, planes[z])


@pytest.mark.parametrize(
    ("spoil", "named", "message"),
    [
        (lambda f: (f / "a.companion.ome").unlink(), NAMES[0], "whose metadata, a.companion.ome"),
        (lambda f: (f / NAMES[1]).unlink(), "a.companion.ome", r"a_z1\.ome\.tif is not there"),
        (lambda f: (f / "a.companion.ome").write_text("<OME"), NAMES[0], "no XML"),
        (lambda f: (f / "a.companion.ome").write_text("<OME/>"), NAMES[0], "no part is named"),
    ],
)
def test_a_set_that_is_not_whole_is_refused_in_words(spoil, named, message, planes, tmp_path):
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        open_acquisition(tmp_path / named, Overrides())
