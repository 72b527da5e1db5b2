"""Into how many jobs volumes are cut, as the rules ask for it.

What is begun is finished in the jobs that it was begun in: another number makes no other pixel.
"""

import contextlib
from collections.abc import Callable
from math import ceil, prod
from pathlib import Path

from pssrflow.config.rates import THREADS, cost, seconds
from pssrflow.config.raw import Wildcards
from pssrflow.config.settings import Settings
from pssrflow.config.sizes import Size, Sizes
from pssrflow.errors import InputError
from pssrflow.run.files import read_json
from pssrflow.run.layout import COLLECTED, MARKER, PYRAMID, SHARES, Layout

# Verifying and halving is so much quicker than the network that few jobs need help with it.
PARTS_A_PYRAMID, MOST_PYRAMIDS = 8, 100
# Snakemake plans 10,000 jobs in seconds and a million never; a job makes its blocks one by one
# and, killed, goes on at the last, so fewer and longer ones lose nothing.
MOST_PARTS = 10_000
# HR pixels along y and x of the pieces in which planes are evaluated, see `evaluate.judged`.
PIECE = 1024


class Parts:
    """Jobs that share an image, a prediction or its evaluation; one is a job that does it all.

    Parameters
    ----------
    layout : Layout
    settings : Settings
    sizes : Sizes
    main : bool
        Whether this process plans the run; jobs find on the disk what it has planned.
    """

    def __init__(self, layout: Layout, settings: Settings, sizes: Sizes, main: bool = True):
        self.layout, self.settings, self.sizes, self.main = layout, settings, sizes, main
        # Thousands of jobs ask.
        self._counts: dict[tuple[str, ...], int] = {}

    # -- images -----------------------------------------------------------------------------------

    def begun_image(self, wildcards: Wildcards) -> int:
        """Jobs of an image that several share."""
        return self._of_image(_image(wildcards), begins=True)

    def of_image(self, wildcards: Wildcards) -> int:
        """Jobs of an image."""
        image = _image(wildcards)
        return self._once((image,), lambda: self._of_image(image))

    def image_markers(self, wildcards: Wildcards) -> list[str]:
        """Markers of the jobs of an image, where there are several."""
        return _markers(self.layout.image_shares(_image(wildcards)), self.of_image(wildcards))

    def _of_image(self, image: str, begins: bool = False) -> int:
        told = _told(self.layout.image_begun(image), "of")
        done = self.layout.image_done(image)
        return told or self._decided(done, begins) or self._asked_of_image(image)

    def _asked_of_image(self, image: str) -> int:
        ingested = image in self.sizes.raw.images
        made = self.sizes.image(image)
        # What is crappified is shared by its LR shards; the work is to read the HR pixels.
        read = made if ingested else self.sizes.image(f"{image.split('/')[0]}/hr")
        shards = made.shards(self.settings.ingest.shard) if made else 1
        return self._asked("ingest" if ingested else "crappify", read, shards)

    # -- predictions ------------------------------------------------------------------------------

    def begun_prediction(self, wildcards: Wildcards) -> int:
        """Jobs of a prediction that several share."""
        return self._of_prediction(wildcards.sample, wildcards.model, begins=True)

    def of_prediction(self, wildcards: Wildcards) -> int:
        """Jobs of a prediction."""
        names = wildcards.sample, wildcards.model
        return self._once(("sr", *names), lambda: self._of_prediction(*names))

    def prediction_markers(self, wildcards: Wildcards) -> list[str]:
        """Markers of the jobs of a prediction, where there are several."""
        return _markers(self._folder(wildcards), self.of_prediction(wildcards))

    def predicted(self, wildcards: Wildcards) -> list[str]:
        """What says that all of them are made: one file where they are many."""
        if not self.pyramids(wildcards):
            return self.prediction_markers(wildcards)
        return [f"{self._folder(wildcards)}/{COLLECTED}"]

    def pyramids(self, wildcards: Wildcards) -> int:
        """Jobs that build the pyramid of a prediction, where parts are many."""
        return min(self.of_prediction(wildcards) // PARTS_A_PYRAMID, MOST_PYRAMIDS)

    def pyramid_markers(self, wildcards: Wildcards) -> list[str]:
        """Markers of the jobs that build the pyramid."""
        folder, count = self._folder(wildcards), self.pyramids(wildcards)
        return [f"{folder}/{PYRAMID.format(part=i)}" for i in range(count)]

    def _folder(self, wildcards: Wildcards) -> str:
        return self.layout.parts(wildcards.sample, wildcards.model)

    def _of_prediction(self, sample: str, model: str, begins: bool = False) -> int:
        told = _told(self.layout.kept_plan(sample, model), "parts")
        done = self.layout.map_done("sr", sample, model)
        return told or self._decided(done, begins) or self.asked_of_prediction(sample, model)

    def asked_of_prediction(self, sample: str, model: str) -> int:
        """Jobs of a prediction that nobody has begun."""
        size = self.sizes.sr(sample)
        # Blocks, which are shared, are no larger than shards, and four of a volume at least.
        blocks = max(4, size.shards(self.settings.ingest.shard)) if size else 1
        return self._asked("predict", size, blocks, cost(self.settings, model))

    # -- evaluations ------------------------------------------------------------------------------

    def begun_evaluation(self, wildcards: Wildcards) -> int:
        """Jobs of an evaluation that several share."""
        return self._of_evaluation(wildcards.sample, wildcards.model, begins=True)

    def of_evaluation(self, wildcards: Wildcards) -> int:
        """Jobs of an evaluation."""
        names = wildcards.sample, wildcards.model
        return self._once(("metrics", *names), lambda: self._of_evaluation(*names))

    def evaluation_markers(self, wildcards: Wildcards) -> list[str]:
        """Markers of the jobs of an evaluation, where there are several."""
        folder = self.layout.metrics_shares(wildcards.sample, wildcards.model)
        return _markers(folder, self.of_evaluation(wildcards))

    def _of_evaluation(self, sample: str, model: str, begins: bool = False) -> int:
        # Nobody begins an evaluation; its first part says of how many it is.
        told = _told(f"{self.layout.metrics_shares(sample, model)}/{MARKER.format(part=0)}", "of")
        done = self.layout.map_done("metrics", sample, model)
        return told or self._decided(done, begins) or self._asked_of_evaluation(sample)

    def _asked_of_evaluation(self, sample: str) -> int:
        size = self.sizes.sr(sample)
        pieces = size.planes * prod(ceil(n / PIECE) for n in size.shape[3:]) if size else 1
        return self._asked("evaluate", size, pieces)

    # -- trust ------------------------------------------------------------------------------------

    def begun_trust(self, wildcards: Wildcards) -> int:
        """Jobs of a map of trust that several share."""
        return self._of_trust(wildcards.sample, wildcards.model, begins=True)

    def of_trust(self, wildcards: Wildcards) -> int:
        """Jobs of a map of trust."""
        names = wildcards.sample, wildcards.model
        return self._once(("trust", *names), lambda: self._of_trust(*names))

    def trust_markers(self, wildcards: Wildcards) -> list[str]:
        """Markers of the jobs of a map of trust, where there are several."""
        folder = self.layout.trust_shares(wildcards.sample, wildcards.model)
        return _markers(folder, self.of_trust(wildcards))

    def _of_trust(self, sample: str, model: str, begins: bool = False) -> int:
        told = _told(f"{self.layout.trust_shares(sample, model)}/{SHARES}", "of")
        done = self.layout.map_done("trust", sample, model)
        return told or self._decided(done, begins) or self._asked_of_trust(sample)

    def _asked_of_trust(self, sample: str) -> int:
        size = self.sizes.sr(sample)
        scale, shard = self.settings.crappify.scale, self.settings.ingest.shard
        # Shards of the map lie on the grid of LR pixels.
        wide = (shard[0], shard[1] * scale, shard[2] * scale)
        return self._asked("trust", size, size.shards(wide) if size else 1)

    # -- all --------------------------------------------------------------------------------------

    def _once(self, key: tuple[str, ...], count: Callable[[], int]) -> int:
        """A number of jobs, which stays as it was when it was first asked for."""
        if key not in self._counts:
            self._counts[key] = count()
        return self._counts[key]

    def _decided(self, done: str, begins: bool) -> int:
        """1 where one job has done it all, or does; 0 where that is yet to be decided."""
        decided = not self.main or Path(done).exists()
        return int(decided and not begins)

    def _asked(self, stage: str, size: Size | None, most: int, dearer: float = 1) -> int:
        asked = getattr(self.settings, stage).parts
        if asked == "auto":
            # A size that is not known is that of a file which its job will refuse.
            work = seconds(self.settings.jobs, stage, size.pixels if size else 0, dearer)
            job = 60 * self.settings.jobs.minutes * THREADS.get(stage, 1)
            asked = min(ceil(work / job), most)
        return max(1, min(asked, MOST_PARTS))


def _image(wildcards: Wildcards) -> str:
    """Image, "sample/kind", that a job ingests or crappifies."""
    found: str = wildcards.get("image") or wildcards.draw
    return found


def _told(path: str, key: str) -> int:
    """Parts of what is begun; 0 of what is not."""
    with contextlib.suppress(OSError, InputError, KeyError):
        return int(read_json(path)[key])
    return 0


def _markers(folder: str, parts: int) -> list[str]:
    return [f"{folder}/{MARKER.format(part=i)}" for i in range(parts)] if parts > 1 else []
