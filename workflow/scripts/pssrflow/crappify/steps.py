"""What a step of the crappifier is: grey levels in, grey levels out, square by square."""

import math
from dataclasses import dataclass, fields
from typing import ClassVar

from pssrflow.errors import InputError

# Gaussian filters are cut at this many standard deviations.
TRUNCATE = 4.0

# Noise is expressed on the grey scale of PSSR, whatever the detector's range.
GREY = 255.0


@dataclass(frozen=True)
class Step:
    """One step of the chain.

    A step turns a window of a plane, float32 grey levels from 0 (black) to 255 (white), into its
    inner part. Adding one: a subclass, a line in `STEPS`, and its keys in config.schema.yaml.

    Attributes
    ----------
    name : str
        How the configuration calls it.
    bounds : dict
        Lowest and highest value of each number.
    whole_squares : bool
        Always run on the same squares: it draws, or its result may depend on what else is run
        with it. Else each pixel depends on its neighbours alone.
    clips : bool
        Leaves grey levels that the detector would clip; what goes on inside the detector does not.
    """

    name: ClassVar[str]
    bounds: ClassVar[dict[str, tuple[float, float]]] = {}
    whole_squares: ClassVar[bool] = True
    clips: ClassVar[bool] = True

    def __post_init__(self):
        for key, (low, high) in self.bounds.items():
            value = getattr(self, key)
            if value is not None and not (low <= value <= high and math.isfinite(value)):
                raise InputError(f"{self.name}.{key}", f"{value}", f"{low} to {high}")

    @property
    def halo(self):
        """Pixels around a window that reach into it: ((above, below), (left, right))."""
        return (0, 0), (0, 0)

    def draw(self, rng):
        """What is drawn once for a whole plane; the step as it is on this plane."""
        return self

    def apply(self, window, inner, rng):
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

    @classmethod
    def keys(cls):
        """Names of what the configuration may set."""
        return [field.name for field in fields(cls) if field.init]


def around(radius):
    """Halo of a filter that reaches equally far to all sides."""
    return (radius, radius), (radius, radius)
