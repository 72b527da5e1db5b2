"""What a step of the crappifier is: grey levels in, grey levels out, square by square."""

from typing import Any, ClassVar

import numpy as np

from pssrflow.keys import Keys

# Noise is expressed on the grey scale of PSSR, whatever the detector's range.
GREY = 255.0
# Gaussian filters are cut at this many standard deviations.
TRUNCATE = 4.0

Halo = tuple[tuple[int, int], tuple[int, int]]
Inner = tuple[slice, slice]


class Step(Keys):
    """One step of the chain; its keys are what the configuration may set.

    A step turns a window of a plane, float32 grey levels from 0 (black) to 255 (white), into its
    inner part. Adding one: a subclass in `noise` or `scanner`.

    Attributes
    ----------
    name : str
        How the configuration calls it.
    whole_squares : bool
        Always run on the same squares: it draws, or its result may depend on what else is run
        with it. Else each pixel depends on its neighbours alone.
    clips : bool
        Leaves grey levels that the detector would clip; what goes on inside the detector does not.
    """

    name: ClassVar[str]
    whole_squares: ClassVar[bool] = True
    clips: ClassVar[bool] = True

    @property
    def halo(self) -> Halo:
        """Pixels around a window that reach into it: ((above, below), (left, right))."""
        return (0, 0), (0, 0)

    def draw(self, rng: np.random.Generator) -> "Step":
        """What is drawn once for a whole plane; the step as it is on this plane."""
        return self

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        """Run the step.

        Parameters
        ----------
        window : ndarray (y, x) of float32
        inner : tuple of slice
            The part of the window that is wanted.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of float32, of the shape of ``window[inner]``
        """
        raise NotImplementedError

    def plain(self) -> dict[str, Any]:
        """As the configuration would write it."""
        return {"name": self.name, **super().plain()}


def around(radius: int) -> Halo:
    """Halo of a filter that reaches equally far to all sides."""
    return (radius, radius), (radius, radius)
