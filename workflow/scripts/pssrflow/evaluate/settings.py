"""Section `evaluate`: how predictions are compared with the truth."""

from pssrflow.keys import Keys, key
from pssrflow.run.settings import PARTS, Parts


class Settings(Keys):
    """How predictions are compared with the truth."""

    parts: Parts = key("auto", f"{PARTS[:-1]}, and none without a plane.")
