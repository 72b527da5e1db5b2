"""Section `report`: what the report shows."""

from pssrflow.keys import Keys, key


class Settings(Keys):
    """What the report shows."""

    title: str = key("PSSRflow report", "Heading of the page.")
    crop: int = key(64, "LR pixels along y and x of the magnified crops.", ge=8, le=512)
