"""What is known of volumes and networks before any of them is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition
from pssrflow.models.facts import PYTHON, Facts
from pssrflow.models.model import Ensemble, Model, Package
from pssrflow.models.package import read_package
from pssrflow.models.start import start
from pssrflow.models.weights import load_weights
from pssrflow.networks import ensemble
from pssrflow.networks.contract import SRNetwork
from pssrflow.simulate.settings import Acquisition
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.volume import Volume


@dataclass(frozen=True)
class Row:
    """A row of the sample sheet that will be super-resolved.

    Attributes
    ----------
    sample : str
    path : str
        Of the acquisition.
    overrides : Overrides
    simulated : Acquisition or None
        What the microscope will make, if it is simulated.
    crappified : bool
        Whether the acquisition is an HR image.
    roi : str or None
        What of the LR volume is super-resolved.
    masked : bool
    """

    sample: str
    path: str
    overrides: Overrides
    simulated: Acquisition | None
    crappified: bool
    roi: str | None
    masked: bool

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Self:
        """From plain JSON, as the rule gives it."""
        simulated = params["simulated"] and Acquisition(**params["simulated"])
        made = {"overrides": Overrides(**params["overrides"]), "simulated": simulated or None}
        return cls(**{**params, **made})


def expected_volume(row: Row, chunk: Sequence[int], shard: Sequence[int], scale: int) -> Volume:
    """Metadata of an LR volume that is not made yet; its grey levels are not known.

    Parameters
    ----------
    row : Row
    chunk, shard : sequence of int
        z, y, x.
    scale : int
    """
    shape, dtype, pixel_size = _simulated(row.simulated) if row.simulated else _header(row)
    names, nothing = tuple(map(str, range(shape[1]))), Intensity.unknown(shape[1])
    volume = Volume(shape, dtype, tuple(chunk), tuple(shard), pixel_size, names, nothing)
    return volume.coarser(scale, chunk, shard) if row.crappified else volume


def _simulated(acquisition: Acquisition) -> tuple[tuple[int, ...], str, Any]:
    size = acquisition.step_nm / 1000
    dtype = "uint8" if acquisition.bits <= 8 else "uint16"
    return (1, 1, *acquisition.shape), dtype, (None, size, size)


def _header(row: Row) -> tuple[tuple[int, ...], str, Any]:
    with open_acquisition(row.path, row.overrides) as acquisition:
        return acquisition.shape, str(np.dtype(acquisition.dtype)), acquisition.pixel_size


@dataclass(frozen=True)
class Networks:
    """Networks of a configuration, trained or not.

    Attributes
    ----------
    models : dict of str to Model
    weights : dict of str to str
        Where the weights of each model are once it is trained.
    scale : int
    percentiles : sequence of float
        For packages; see `read_package`.
    """

    models: Mapping[str, Model]
    weights: Mapping[str, str]
    scale: int
    percentiles: Sequence[float]

    @property
    def _classes(self) -> set[str]:
        """Classes that the configuration names."""
        options = (model.options for model in self.models.values() if model.arch == PYTHON)
        return {str(vars(found)["path"]) for found in options}

    def expected(self, name: str) -> SRNetwork:
        """A network as it was trained, or with fresh weights.

        Parameters
        ----------
        name : str
            Of a model, or a file of weights.
        """
        model = self.models.get(name)
        trained = model is None or Path(self.weights[name]).exists()
        if model and not trained and isinstance(model.options, Ensemble):
            networks, facts = zip(*map(self._single, model.options.members))
            return ensemble.Ensemble(self.scale, networks, [f.frames for f in facts]).eval()
        return self._single(name)[0]

    def _single(self, name: str) -> tuple[SRNetwork, Facts]:
        """A network that is no ensemble before it is assembled, and its facts."""
        if name not in self.models:
            return load_weights(name)
        if Path(self.weights[name]).exists():
            return load_weights(self.weights[name], self._classes)
        model = self.models[name]
        if isinstance(model.options, Package):
            return read_package(model.options.package, self.scale, self.percentiles)
        network, facts = start(model, self.scale)
        return network.eval(), facts
