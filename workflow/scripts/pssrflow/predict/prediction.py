"""Where everything of one prediction lies, as all of its jobs know it; nothing here needs torch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pssrflow.predict.maps import MAPS
from pssrflow.run.layout import COLLECTED, KEPT_PLAN, MARKER, PYRAMID, Layout
from pssrflow.volumes.store import Store


@dataclass(frozen=True)
class Prediction:
    """One volume, one network, and what the network makes of the volume.

    `stage.initialise` plans it, `stage.run_part` makes its pixels, `assembly` puts them together.
    These are functions, not methods, for what a job imports is what its result depends on: to
    finish a prediction takes no network, and no change of how it is finished makes it again.

    Attributes
    ----------
    lr : Store
    weights : str
    stores : dict of str to Store
        Of every map that may be kept, by its name.
    done : dict of str to Path
        Their done files.
    plan : Path
        JSON; see `Plan`.
    markers : Path
        Folder of what the jobs say that they have finished.
    sources : sequence of Path
        Done files of what it is made of, besides the weights.
    mask : Store, optional
        As large as the LR volume or its HR image; tiles in which it is 0 are interpolated.
    python : collection of str
        Classes that the configuration names for the network; weights alone never do.
    """

    lr: Store
    weights: str
    stores: Mapping[str, Store]
    done: Mapping[str, Path]
    plan: Path
    markers: Path
    sources: Sequence[Path] = ()
    mask: Store | None = None
    python: Collection[str] = ()

    @classmethod
    def of(
        cls,
        layout: Layout,
        sample: str,
        model: str,
        masked: bool = False,
        python: Collection[str] = (),
    ) -> Self:
        """Of a sample and a model of a run.

        Parameters
        ----------
        layout : Layout
        sample, model : str
        masked : bool
            Whether the sample has a mask.
        python : collection of str
            Classes that the configuration names for the network.
        """
        return cls(
            lr=Store(layout.store("lr", sample)),
            weights=layout.weights(model),
            stores={one.name: Store(layout.map_store(one.name, sample, model)) for one in MAPS},
            done={one.name: Path(layout.map_done(one.name, sample, model)) for one in MAPS},
            plan=Path(layout.plan(sample, model)),
            markers=Path(layout.parts(sample, model)),
            sources=[Path(layout.done(k, sample)) for k in ("lr", *["mask"] * masked)],
            mask=Store(layout.store("mask", sample)) if masked else None,
            python=python,
        )

    @property
    def kept_plan(self) -> Path:
        """JSON: the plan once more, which Snakemake does not remove before it is made anew."""
        return self.markers / KEPT_PLAN

    def marker(self, part: int) -> Path:
        """JSON: the digest of every shard of a part."""
        return self.markers / MARKER.format(part=part)

    @property
    def collected(self) -> Path:
        """JSON: what the markers of all parts say, where they are many."""
        return self.markers / COLLECTED

    def pyramid(self, part: int) -> Path:
        """JSON: the level up to which one job has built its share of the pyramid."""
        return self.markers / PYRAMID.format(part=part)

    def unfinish(self) -> None:
        """Remove the done files, before pixels change."""
        for path in self.done.values():
            path.unlink(missing_ok=True)
