"""What every network is told, and what options of several networks have in common; no torch."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pssrflow.keys import Fault, Keys, key
from pssrflow.networks.frames import Frames
from pssrflow.run.paths import PathText

Precision = Literal["auto", "bf16", "16", "32"]
Intensity = Literal["window", "range"]


class Common(Keys):
    """Keys of every network that learns here."""

    weights: PathText | None = key(
        None,
        "File of weights to begin with: .safetensors of PSSRflow, or .pth of PSSR2; null for fresh "
        "ones.",
        min_length=1,
    )
    train: bool = key(True, "Whether the network learns; false uses its weights as they are.")
    intensity: Intensity = key(
        "window",
        "What the network sees as 0 to 1: window, the acquisition's display window; range, all "
        "that the detector records, as weights of PSSR2 expect.",
    )
    frames: Frames | None = key(
        None,
        "Neighbouring planes that the network sees at once, such as {axis: z, in: 5}; each plane "
        "of a stack or a time lapse is made from those around it. null for that plane alone.",
    )


class NetworkOptions(Keys):
    """Options of one architecture; each network's file has its own, called `Options`."""

    # Whether a pixel may depend on more than its surroundings, as on the mean of the whole image.
    whole_image: ClassVar[bool] = False

    def misfits(self, scale: int) -> Iterator[Fault]:
        """What cannot be at that many HR pixels per LR pixel."""
        return iter(())


def in_and_out(channels: int | tuple[int, ...], frames: int = 1) -> tuple[int, int]:
    """Channels of the input and of the output, from one number for both or from two.

    Frames are channels of the input; where there are several, one plane is made of them.
    """
    if frames > 1:
        return frames, 1
    return (channels, channels) if isinstance(channels, int) else (channels[0], channels[-1])


def wrong(key: str, found: Any, accepted: str) -> Fault:
    """An option that does not go with the others."""
    return Fault(key, f"found {found}. Accepted: {accepted}")


def undivided(key: str, width: int, divisor: int, why: str) -> Iterator[Fault]:
    """A fault where a number is no multiple of another one."""
    if width % divisor:
        yield wrong(key, width, f"a multiple of {divisor} ({why})")
