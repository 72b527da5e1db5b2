"""What is looked for in images afterwards: is it the same in a prediction as in the truth?

A task is a function of an image that gives labels of objects, or a count. It is chosen by name, and
imported by nobody who does not name it.
"""

from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, PlainValidator

from pssrflow.keys import Keys, OneOf, key
from pssrflow.plugins import load

# Every task by the name that the configuration gives it: its file in this folder, and its class. No
# whole names, for code hashes follow those.
TASKS = {
    "mitochondria": ("structures", "Mitochondria"),
    "axons": ("structures", "Axons"),
    "custom": ("custom", "Custom"),
}


def task_symbol(name: str) -> str:
    """Where a task is written, such as ``pssrflow.evaluate.structures:Axons``."""
    file, kind = TASKS[name]
    return f"pssrflow.evaluate.{file}:{kind}"


class Task(Keys):
    """A task, with its keys."""

    name: ClassVar[str]

    @property
    def title(self) -> str:
        """What figures are called by."""
        return self.name

    def __call__(
        self, image: npt.NDArray[np.float32], pixel: float | None
    ) -> npt.NDArray[np.integer] | float:
        """Labels (y, x) of objects, 0 where there is none; or a count.

        Parameters
        ----------
        image : ndarray (y, x) of float32
            Grey levels of the HR image.
        pixel : float or None
            Its size in micrometers, if it is known.
        """
        raise NotImplementedError

    def plain(self) -> dict[str, Any]:
        """As the configuration would write it."""
        return {"name": self.name, **super().plain()}


class _Named(Keys):
    """What chooses a task; its other keys are those of the task."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, OneOf(lambda: TASKS)] = key(..., "Which task.")


def checked_task(given: Any) -> Task:
    """Task of ``{"name": ..., ...}``, or the task itself; raises as a class of `Keys` does."""
    if isinstance(given, Task):
        return given
    name = _Named.model_validate(given).name
    made = load(task_symbol(name)).model_validate({k: v for k, v in given.items() if k != "name"})
    assert isinstance(made, Task)
    return made


AnyTask = Annotated[Task, PlainValidator(checked_task)]
