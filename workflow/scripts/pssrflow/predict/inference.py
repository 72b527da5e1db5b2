"""Pass tiles through a network: in batches, on any device, several times for an ensemble."""

import itertools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pssrflow.errors import InputError
from pssrflow.models.input import Floats
from pssrflow.networks.contract import SRNetwork
from pssrflow.predict.maps import SR, STD
from pssrflow.run.devices import DTYPES
from pssrflow.volumes.interpolation import interpolated

log = logging.getLogger(__name__)

# Quarter turns and whether to mirror: every way to lay a square on itself.
DIHEDRAL = tuple(itertools.product(range(4), (False, True)))
# Part of a device's free memory that a batch may take, and the most LR pixels of one: as many fill
# a large GPU, and what comes back must fit the job's own memory.
SHARE, MOST = 0.8, 1 << 20

# SR images (y, x) by the names of the maps.
Images = dict[str, Floats]


class TileTooLarge(InputError):
    """A device's memory does not hold a single tile."""


class Inference:
    """A network, or several, with everything that a pass depends on.

    Parameters
    ----------
    network : SRNetwork
        With a list `members` if several networks are averaged.
    device : torch.device
    precision : str
        A key of `DTYPES`.
    self_ensemble : bool
        Average over the eight turns and mirrors of every tile (Timofte et al. 2016,
        doi:10.1109/CVPR.2016.206).
    batch : int
        Tiles at once; halved whenever the device has not enough memory.
    """

    def __init__(
        self,
        network: SRNetwork,
        device: torch.device,
        precision: str,
        self_ensemble: bool = False,
        batch: int = 1,
    ) -> None:
        placed: Any = network
        self.network: SRNetwork = placed.to(device, memory_format=torch.channels_last).eval()
        self.device, self.precision, self.batch = device, precision, batch
        self.scale = network.scale
        self.transforms = DIHEDRAL if self_ensemble else DIHEDRAL[:1]

    @property
    def passes(self) -> int:
        """Results that are averaged; with more than one their standard deviation is kept."""
        return len(members(self.network)) * len(self.transforms)

    def __call__(self, images: Sequence[Floats]) -> list[Images]:
        """Super-resolve images of one size.

        Parameters
        ----------
        images : list of ndarray (frames, y, x) of float32

        Returns
        -------
        list of dict of str to ndarray (scale * y, scale * x) of float32
            By the names of the maps.

        Raises
        ------
        TileTooLarge
            The device's memory does not hold a single one.
        """
        made: list[Images] = []
        while len(made) < len(images):
            some = images[len(made) : len(made) + self.batch]
            try:
                made += self._pass(some)
            except RuntimeError as error:
                if not _short_of_memory(error):
                    raise
                found = str(error).splitlines()[0]
            else:
                continue
            # After the `except`, whose traceback holds what the pass had allocated.
            self._smaller(len(some), found)
        return made

    def _pass(self, images: Sequence[Floats]) -> list[Images]:
        batch = torch.from_numpy(np.stack(images))
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        with (
            torch.inference_mode(),
            torch.autocast(
                self.device.type, DTYPES[self.precision], enabled=self.precision != "32"
            ),
        ):
            batch = batch.to(self.device, non_blocking=True)
            made = self._averaged(batch) if self.passes > 1 else {SR.name: self._once(batch)}
            found = {name: values[:, 0].float().cpu().numpy() for name, values in made.items()}
        return [dict(zip(found, tile)) for tile in zip(*found.values())]

    def _once(self, batch: torch.Tensor) -> torch.Tensor:
        [(member, seen)] = members(self.network)
        made: torch.Tensor = member(batch[:, seen])
        return made

    def _averaged(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Mean and standard deviation over all members and transforms (Welford 1962)."""
        mean, squares = torch.tensor(0.0), torch.tensor(0.0)
        passes = itertools.product(members(self.network), self.transforms)
        for count, ((member, seen), (turns, mirror)) in enumerate(passes, start=1):
            laid = _laid(batch[:, seen], turns, mirror)
            made = _laid_back(member(laid).float(), turns, mirror)
            delta = made - mean
            mean = mean + delta / count
            squares = squares + delta * (made - mean)
        return {SR.name: mean, STD.name: (squares / count).sqrt()}

    def _smaller(self, tiles: int, found: str) -> None:
        if tiles == 1:
            raise TileTooLarge(
                "predict.tile", f"a tile does not fit the memory of {self.device} ({found})", "less"
            )
        self.batch = tiles // 2
        log.warning("%s is short of memory; %d tiles at once from now on", self.device, self.batch)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def empty(self, image: Floats) -> Images:
        """What an image (frames, y, x) gives that is not worth a network: its interpolation."""
        made = interpolated(image[len(image) // 2], self.scale)
        return {SR.name: made} | ({STD.name: np.zeros_like(made)} if self.passes > 1 else {})


def members(network: SRNetwork) -> list[tuple[SRNetwork, Any]]:
    """Networks that are averaged, and which of the frames each of them sees.

    A network that is no ensemble is its own only member.
    """
    if not hasattr(network, "members"):
        return [(network, slice(None))]
    offers: Any = network
    return list(zip(offers.members, offers.seen))


def fitting_batch(device: torch.device, tile_bytes: float, tile_pixels: int) -> int:
    """Tiles that a device's free memory holds at once; one on a processor, whose caches are small.

    Parameters
    ----------
    device : torch.device
    tile_bytes : float
        Memory that the pass of one tile needs.
    tile_pixels : int
        LR pixels of a tile.
    """
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MOST // tile_pixels, int(SHARE * free / tile_bytes)))


def _laid(batch: torch.Tensor, turns: int, mirror: bool) -> torch.Tensor:
    turned = torch.rot90(batch, turns, (2, 3))
    return turned.flip(3) if mirror else turned


def _laid_back(made: torch.Tensor, turns: int, mirror: bool) -> torch.Tensor:
    return torch.rot90(made.flip(3) if mirror else made, -turns, (2, 3))


def _short_of_memory(error: RuntimeError) -> bool:
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in said for words in ("out of memory", "can't allocate memory", "not enough memory")
    )
