"""Section `report`: what the report shows."""

from typing import Literal

from pssrflow.keys import Keys, key


class Settings(Keys):
    """What the report shows."""

    title: str = key("PSSRflow report", "Heading of the page.")
    fail_on: Literal["use_with_care", "do_not_use"] | None = key(
        None,
        "Verdict of trust on a predict or test row at which the run fails, after everything is "
        "made: do_not_use, or use_with_care (which includes the other); null for none.",
    )
    crop: int = key(64, "LR pixels along y and x of the magnified crops.", ge=8, le=512)
