"""Section `evaluate`: how predictions are compared with the truth."""

from collections import Counter
from collections.abc import Iterator

from pssrflow.evaluate.tasks import AnyTask
from pssrflow.jobs import PARTS, Parts
from pssrflow.keys import Fault, Keys, key


class Settings(Keys):
    """How predictions are compared with the truth."""

    tasks: tuple[AnyTask, ...] = key(
        (),
        "What is looked for in predictions, in plain interpolation and in the truth, to tell "
        "whether the same is found: each with a name and its keys. One of: mitochondria, axons, "
        "custom (a Python class of your own: path, options).",
    )
    pssr2: bool = key(
        False,
        "Also measure after the normalisation of PSSR2 (columns psnr_pssr2 and ssim_pssr2), to "
        "stand beside figures that were made with it.",
    )
    parts: Parts = key("auto", f"{PARTS[:-1]}, and none without a piece of a plane.")

    def faults(self) -> Iterator[Fault]:
        for title, count in Counter(task.title for task in self.tasks).items():
            if count > 1:
                yield Fault("tasks", f"{title} {count} times. Accepted: every task once")
