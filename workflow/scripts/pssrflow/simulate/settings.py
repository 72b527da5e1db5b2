"""What a simulated microscope can be set to."""

import math
from dataclasses import dataclass

import numpy as np

from pssrflow.errors import InputError
from pssrflow.simulate.tissue import FINEST_NM


@dataclass(frozen=True)
class Microscope:
    """All that the scan does to the scene.

    Attributes
    ----------
    step_nm : float
        Distance between pixels, along y and x.
    section_nm : float
        Distance between planes.
    spot_nm : float
        Full width at half maximum of the Gaussian probe.
    dwell_us : float
        Time spent on a pixel.
    counts_per_us : float
        Electrons detected per microsecond at full signal.
    gain : float
        Grey levels per electron.
    offset : float
        Grey levels without any electron.
    read_noise : float
        Standard deviation, in grey levels.
    bits : int
        Depth of the detector, 8 (uint8) to 16 (uint16); it saturates at ``2**bits - 1``.

    Raises
    ------
    InputError
        For a setting that no microscope could have.
    """

    step_nm: float = 4.0
    section_nm: float = 50.0
    spot_nm: float = 5.0
    dwell_us: float = 4.0
    counts_per_us: float = 25.0
    gain: float = 2.0
    offset: float = 10.0
    read_noise: float = 2.0
    bits: int = 8

    def __post_init__(self):
        for name in ("step_nm", "section_nm", "spot_nm", "dwell_us", "counts_per_us", "gain"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"microscope {name}", f"{getattr(self, name)}", "more than 0")
        for name in ("offset", "read_noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"microscope {name}", f"{getattr(self, name)}", "0 or more")
        if self.bits not in range(8, 17):
            raise InputError("microscope bits", f"{self.bits}", "a whole number from 8 to 16")

    @property
    def dtype(self):
        """Type of the recorded pixels."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def sigma_nm(self):
        """Standard deviation of the probe."""
        return self.spot_nm / math.sqrt(8 * math.log(2))

    @property
    def oversampling(self):
        """Rendered points per pixel, along y and x, that resolve the probe and the tissue."""
        return math.ceil(self.step_nm / min(self.spot_nm / 1.2, FINEST_NM))
