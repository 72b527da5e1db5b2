"""How much memory a pass of a network takes."""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pssrflow.networks.contract import SRNetwork

# LR pixels along y and x of the image that is looked at; memory grows with the area.
PROBED = 128
# What the libraries of convolutions need besides the tensors, as a factor.
SCRATCH = 1.25


def bytes_per_pixel(network: SRNetwork) -> float:
    """Most memory that a pass of the network holds, per LR pixel.

    Tensors are counted as they come and go, so the figure is the same on every machine.
    """
    size = -(-PROBED // network.stride) * network.stride
    live = _Live()
    with torch.inference_mode(), live:
        network(torch.zeros(1, network.frames, size, size))
    return live.peak * SCRATCH / (size * size)


class _Live(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive while it runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch says nothing of it
        self.alive: set[int] = set()
        self.now, self.peak = 0, 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if size and place not in self.alive:
            self.alive.add(place)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self.alive.discard(place)
        self.now -= size
