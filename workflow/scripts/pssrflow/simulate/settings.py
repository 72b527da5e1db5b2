"""Section `simulate`: acquisitions of a simulated point-scanning electron microscope."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from pssrflow.keys import Keys, key

# Finest structure of the simulated tissue, which a scan has to resolve.
FINEST_NM = 5.0


class Microscope(Keys):
    """All that the scan does to the scene."""

    step_nm: float = key(4, "Distance between pixels, nanometer.", gt=0)
    section_nm: float = key(50, "Distance between planes, nanometer.", gt=0)
    spot_nm: float = key(5, "Full width at half maximum of the Gaussian probe, nanometer.", gt=0)
    dwell_us: float = key(4, "Time on each pixel, microsecond.", gt=0)
    counts_per_us: float = key(
        25, "Electrons that full signal sends to the detector in a microsecond.", gt=0
    )
    gain: float = key(2, "Grey levels per electron.", gt=0)
    offset: float = key(10, "Grey level of no signal.", ge=0)
    read_noise: float = key(2, "Standard deviation of the detector's own noise, grey levels.", ge=0)
    bits: int = key(
        8,
        "Depth of the detector, which then saturates; 8 writes uint8, 9 to 16 uint16.",
        ge=8,
        le=16,
    )

    @property
    def dtype(self) -> np.dtype:
        """Type of the recorded pixels."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def sigma_nm(self) -> float:
        """Standard deviation of the probe."""
        return self.spot_nm / math.sqrt(8 * math.log(2))

    @property
    def oversampling(self) -> int:
        """Rendered points per pixel, along y and x, that resolve the probe and the tissue."""
        return math.ceil(self.step_nm / min(self.spot_nm / 1.2, FINEST_NM))

    @property
    def numbers(self) -> tuple[float, ...]:
        """What the microscope is, as floats: 4 and 4.0 nm are the same step."""
        return tuple(float(getattr(self, name)) for name in Microscope.model_fields)


class Acquisition(Microscope):
    """One acquisition, which the sample sheet names as simulate:NAME; made only if it does."""

    format: Literal["ome-tiff", "slices"] = key(
        "ome-tiff", "`ome-tiff` (one file) or `slices` (a folder of TIFF files)."
    )
    shape: tuple[Annotated[int, Field(ge=1)], ...] = key(
        (1, 1024, 1024), "Planes, rows and columns (z, y, x).", min_length=3, max_length=3
    )
    tissue: int = key(
        0, "Seed of the tissue; two acquisitions of one tissue and place show the same field.", ge=0
    )
    origin_nm: tuple[float, ...] = key(
        (0, 0), "Place of the field in the tissue (y, x), nanometer.", min_length=2, max_length=2
    )
    shift_nm: tuple[float, ...] = key(
        (0, 0),
        "Drift of the stage (y, x), nanometer; what makes a pair of one field differ in place.",
        min_length=2,
        max_length=2,
    )
    draw: int = key(0, "Number of the scan; another draw of the same field has other noise.", ge=0)

    @property
    def microscope(self) -> Microscope:
        """The instrument without what it was pointed at."""
        return Microscope(**{name: getattr(self, name) for name in Microscope.model_fields})
