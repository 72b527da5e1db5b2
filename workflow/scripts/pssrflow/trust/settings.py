"""Section `trust`: how it is found out where a prediction is not to be believed."""

from pssrflow.jobs import PARTS, Parts
from pssrflow.keys import Keys, key


class Settings(Keys):
    """How it is found out where a prediction is not to be believed."""

    maps: bool = key(True, "Make a map of trust and a verdict for every prediction.")
    level: float = key(
        0.9, "Share of the pixels that shall lie within the map's intervals.", ge=0.5, le=0.99
    )
    share: float = key(
        0.15,
        "Share of every train row that is kept out of training, for the intervals; of many rows "
        "too small to be cut, so many whole ones. None where the sheet has rows of the role trust, "
        "which serve for that alone.",
        ge=0,
        le=0.5,
    )
    blocks: int = key(
        200,
        "Blocks of 64 x 64 LR pixels that are calibrated on, at most; below 20 intervals are wide.",
        ge=1,
        le=5000,
    )
    width: float = key(
        0.25,
        "Half-width of an interval, in parts of the display window, above which a place is to be "
        "used with care.",
        gt=0,
        le=1,
    )
    parts: Parts = key("auto", PARTS)
