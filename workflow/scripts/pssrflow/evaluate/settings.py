"""Section `evaluate`: how predictions are compared with the truth."""

from pssrflow.jobs import PARTS, Parts
from pssrflow.keys import Keys, key


class Settings(Keys):
    """How predictions are compared with the truth."""

    parts: Parts = key("auto", f"{PARTS[:-1]}, and none without a piece of a plane.")
