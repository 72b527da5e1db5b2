"""Where a training stands."""

import math
from dataclasses import dataclass, field


@dataclass
class Progress:
    """Where a training stands: what its checkpoint holds beside weights and optimiser.

    No random state: patches, noise, orientations and dropout are drawn from the number of the
    step.

    Attributes
    ----------
    step : int
        Steps done.
    seconds : float
        Time spent on them.
    best : float
        Highest validation PSNR.
    stale : int
        Validations since then.
    waited, drops : int
        Validations since the last drop of the schedule `plateau` or improvement; drops so far.
    losses : list of float
        Of the steps since the last validation.
    history : list of dict
        A row per validation.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    stale: int = 0
    waited: int = 0
    drops: int = 0
    losses: list[float] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)

    def note(self, psnr: float, patience: int) -> bool:
        """Take in a validation; True if it is the best so far.

        NaN, where nothing is held out, leaves the latest weights the best.
        """
        improved = math.isnan(psnr) or psnr > self.best
        if improved:
            self.best = self.best if math.isnan(psnr) else psnr
            self.stale = self.waited = 0
            return True
        self.stale, self.waited = self.stale + 1, self.waited + 1
        if self.waited > patience:
            self.drops, self.waited = self.drops + 1, 0
        return False
