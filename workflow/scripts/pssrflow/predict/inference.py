"""Pass tiles through a network: in batches, on any device, several times for an ensemble."""

import itertools
import logging

import numpy as np
import torch

from pssrflow.errors import InputError
from pssrflow.run.devices import DTYPES
from pssrflow.volumes.interpolation import interpolated

log = logging.getLogger(__name__)

# Quarter turns and whether to mirror: every way to lay a square on itself.
DIHEDRAL = tuple(itertools.product(range(4), (False, True)))
# Part of a device's free memory that a batch may take, and the most LR pixels of one: as many fill
# a large GPU, and what comes back must fit the job's own memory.
SHARE, MOST = 0.8, 1 << 20


class Inference:
    """A network, or several, with everything that a pass depends on.

    Parameters
    ----------
    network : torch.nn.Module
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

    def __init__(self, network, device, precision, self_ensemble=False, batch=1):
        self.network = network.to(device, memory_format=torch.channels_last).eval()
        self.device, self.precision, self.batch = device, precision, batch
        self.scale = network.scale
        self.transforms = DIHEDRAL if self_ensemble else DIHEDRAL[:1]

    @property
    def passes(self):
        """Results that are averaged; with more than one their standard deviation is kept."""
        return len(self._members()) * len(self.transforms)

    def _members(self):
        return getattr(self.network, "members", (self.network,))

    def __call__(self, images):
        """Super-resolve images of one size.

        Parameters
        ----------
        images : list of ndarray (y, x) of float32

        Returns
        -------
        list of dict of str to ndarray (scale * y, scale * x) of float32

        Raises
        ------
        InputError
            The device's memory does not hold a single tile.
        """
        made = []
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

    def _smaller(self, tiles, found):
        if tiles == 1:
            raise InputError(
                "predict.tile", f"a tile does not fit the memory of {self.device} ({found})", "less"
            )
        self.batch = tiles // 2
        log.warning("%s is short of memory; %d tiles at once from now on", self.device, self.batch)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _pass(self, images):
        batch = torch.from_numpy(np.stack(images)[:, None])
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        with (
            torch.inference_mode(),
            torch.autocast(
                self.device.type, DTYPES[self.precision], enabled=self.precision != "32"
            ),
        ):
            batch = batch.to(self.device, non_blocking=True)
            sr, std = self._averaged(batch) if self.passes > 1 else (self._once(batch), None)
            images = {"sr": sr} if std is None else {"sr": sr, "std": std}
            images = {name: values[:, 0].float().cpu().numpy() for name, values in images.items()}
        return [dict(zip(images, tile)) for tile in zip(*images.values())]

    def _once(self, batch):
        return self._members()[0](batch)

    def _averaged(self, batch):
        """Mean and standard deviation over all members and transforms (Welford 1962)."""
        mean, squares = 0.0, 0.0
        passes = itertools.product(self._members(), self.transforms)
        for count, (member, (turns, mirror)) in enumerate(passes, start=1):
            made = _laid_back(member(_laid(batch, turns, mirror)).float(), turns, mirror)
            delta = made - mean
            mean = mean + delta / count
            squares = squares + delta * (made - mean)
        return mean, (squares / count).sqrt()

    def empty(self, image):
        """What an image (y, x) gives that is not worth a network: its interpolation."""
        made = interpolated(image, self.scale)
        return {"sr": made} | ({"std": np.zeros_like(made)} if self.passes > 1 else {})


def fitting_batch(device, tile_bytes, tile_pixels):
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


def _laid(batch, turns, mirror):
    turned = torch.rot90(batch, turns, (2, 3))
    return turned.flip(3) if mirror else turned


def _laid_back(made, turns, mirror):
    return torch.rot90(made.flip(3) if mirror else made, -turns, (2, 3))


def _short_of_memory(error):
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in said for words in ("out of memory", "can't allocate memory", "not enough memory")
    )
