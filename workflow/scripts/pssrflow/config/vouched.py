"""What done files vouch for, looked at before anything runs.

A done file whose store, weights or table is gone or cut short says what is not true, and Snakemake
believes it. It is removed, so that the same command makes anew what is missing.
"""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pssrflow.config.rule_params import Rules
from pssrflow.errors import InputError
from pssrflow.run.files import count_files, file_hash, read_json
from pssrflow.run.layout import Layout
from pssrflow.run.remote import is_remote, reachable
from pssrflow.train.settings import LENGTHS
from pssrflow.volumes.seal import broken

# Files of stores that are counted; where there are more, only what opens a store is looked at.
COUNTED = 50_000


def reached(run: Rules) -> None:
    """Refuse servers of stores and acquisitions that do not answer.

    Raises
    ------
    InputError
    """
    paths = [run.layout.stores, *(image.path for image in run.images.values())]
    if uris := [path for path in paths if is_remote(path)]:
        reachable(uris)


def unfinish(run: Rules) -> list[str]:
    """Remove what says of a run that things are there which are not; a line for each.

    Raises
    ------
    InputError
        No store is there at all, as where a disk is not mounted.
    """
    if not Path(run.layout.results).is_dir():
        return []
    vouched = Vouched(run.layout)
    images = [*run.images, *run.draws]
    vouched.mounted(images)
    vouched.images(images)
    vouched.registrations(map(run.layout.registration, run.named("paired")))
    vouched.registrations(map(run.layout.twice, run.named("repeated")))
    vouched.models(run.settings.models)
    vouched.predictions(run.named("predicted"), run.settings.models)
    vouched.run()
    return list(vouched.said)


def retrained(run: Rules) -> Iterator[str]:
    """A line for each finished training that other keys of `train` replace or extend."""
    wanted, extends = run.settings.train.deciding, run.settings.train.resume == "extend"
    for model in run.settings.models:
        with contextlib.suppress(OSError, InputError):
            done = read_json(run.layout.trained(model))
            before = done.get("recipe") or wanted
            changed = [key for key in wanted if before.get(key) != wanted[key]]
            if not changed or not done["step"]:
                continue
            said = ", ".join(f"{key} {before.get(key)} -> {wanted[key]}" for key in changed)
            named = f"{run.layout.model(model)}: {done['step']} steps were trained; now {said}"
            if not set(changed) <= {*LENGTHS}:
                yield f"{named}. Training starts anew, and what was learnt is set aside"
            elif extends:
                yield f"{named}. Training goes on from its last state"
            else:
                yield (
                    f"{named}. Training starts anew, and what was learnt is set aside. To go on "
                    "from its last state instead: train.resume: extend"
                )


@dataclass
class Vouched:
    """Looks at the results of a run.

    Attributes
    ----------
    layout : Layout
    left : int
        Files of stores that are still counted.
    removed : dict of str to str
        Why a file was removed, by its path.
    """

    layout: Layout
    left: int = COUNTED
    removed: dict[str, str] = field(default_factory=dict)

    def mounted(self, images: Iterable[str]) -> None:
        """Refuse a folder of stores that is empty though stores are said to be finished."""
        stores = self.layout.stores
        if stores == self.layout.results or is_remote(stores):
            return
        if Path(stores).is_dir() and any(Path(stores).iterdir()):
            return
        if any(Path(self.layout.image_done(image)).exists() for image in images):
            found = f"nothing in {stores}, though {self.layout.results} says that stores are there"
            raise InputError("stores", found, "the disk that holds them, mounted; other `results`")

    def images(self, images: Iterable[str]) -> None:
        """Stores of images, "sample/kind"."""
        for image in images:
            done, store = self.layout.image_done(image), self.layout.image_store(image)
            self._store(done, store)
            if done in self.removed:
                # What several jobs said of it is no longer so.
                shutil.rmtree(self.layout.image_shares(image), ignore_errors=True)

    def registrations(self, files: Iterable[str]) -> None:
        """How acquired pairs, and second scans, lie beside each other."""
        for file in files:
            self._content(file)

    def predictions(self, samples: Iterable[str], models: Iterable[str]) -> None:
        """Stores of predictions, and their tables of metrics."""
        for sample, model in ((s, m) for s in samples for m in models):
            self._prediction(sample, model)
            self._table(sample, model)
            self._trust(sample, model)

    def models(self, models: Iterable[str]) -> None:
        """Weights and histories."""
        for model in models:
            done = self.layout.trained(model)
            self._promise(model)
            content = self._content(done)
            if content is None:
                continue
            weights, history = Path(self.layout.weights(model)), self.layout.history(model)
            if not weights.is_file() or weights.stat().st_size != content.get("bytes"):
                self._remove(done, f"{weights} is gone or cut short")
            elif _hash(history) != content.get("history"):
                self._remove(done, f"{history} is gone or damaged")

    def _promise(self, model: str) -> None:
        done, promise = self.layout.promised(model), Path(self.layout.promise(model))
        content = self._content(done)
        if content is not None and _hash(str(promise)) != content.get("sha256"):
            self._remove(done, f"{promise} is gone or damaged")

    def run(self) -> None:
        """The fitted crappifier with its figures and drawings, and the report."""
        self._beside(self.layout.crappifier)
        self._content(self.layout.smoothing)
        self._content(self.layout.magnification)
        self._content(self.layout.provenance)
        self._content(self.layout.verdict)
        content = self._content(self.layout.figures)
        if content is not None and _hash(self.layout.page) != content.get("page"):
            self._remove(self.layout.figures, f"{self.layout.page} is gone or damaged")

    def _beside(self, fit: str) -> None:
        """Files that a calibration left beside its crappifier."""
        content = self._content(fit) or {}
        for name, found in content.get("beside", {}).items():
            if _hash(path := str(Path(fit).with_name(name))) != found:
                self._remove(fit, f"{path} is gone or damaged")

    def _table(self, sample: str, model: str) -> None:
        done = self.layout.map_done("metrics", sample, model)
        content, table = self._content(done), self.layout.metrics(sample, model)
        if content is not None and _hash(table) != content.get("sha256"):
            self._remove(done, f"{table} is gone or damaged")

    def _trust(self, sample: str, model: str) -> None:
        """The map of trust of a prediction."""
        done = self.layout.map_done("trust", sample, model)
        self._store(done, self.layout.map_store("trust", sample, model))
        if done in self.removed:
            shutil.rmtree(self.layout.trust_shares(sample, model), ignore_errors=True)

    def _prediction(self, sample: str, model: str) -> None:
        """All that a prediction keeps: what is lost of any of it is made by the same jobs."""
        first = self.layout.map_done("sr", sample, model)
        if self._content(first) is None:
            return
        for name in self._maps(sample, model):
            done = self.layout.map_done(name, sample, model)
            store = self.layout.map_store(name, sample, model)
            if (said := self._lost(done, store)) is None:
                continue
            self._remove(first, said)
            # Its parts then look at every shard, and make those that are gone.
            markers = [*Path(self.layout.parts(sample, model)).glob("*.json")]
            if not is_remote(store) and broken(store):
                # Who plans anew creates the stores anew.
                markers.append(Path(self.layout.plan(sample, model)))
            for marker in markers:
                marker.unlink(missing_ok=True)

    def _maps(self, sample: str, model: str) -> list[str]:
        """Names of what a prediction keeps, as its plan says."""
        names = ["sr"]
        with contextlib.suppress(OSError, InputError):
            names = [one["name"] for one in read_json(self.layout.plan(sample, model))["maps"]]
        return names

    def _lost(self, done: str, store: str) -> str | None:
        """What is missing of a store and of its done file, in words; None if nothing is."""
        content = self._content(done)
        if content is None:
            return f"{done} is gone or damaged"
        return None if is_remote(store) else self._gap(content, store)

    def _store(self, done: str, store: str) -> None:
        if Path(done).exists() and (said := self._lost(done, store)) is not None:
            self._remove(done, said)

    def _gap(self, content: dict[str, Any], store: str) -> str | None:
        """What is missing of a store, in words; None if nothing is."""
        opening = (f"{store}/{name}" for name in ("zarr.json", "0/zarr.json"))
        if lost := next((path for path in opening if not Path(path).is_file()), None):
            return f"{lost} is gone"
        expected = content.get("files") or 0
        self.left -= expected
        if self.left < 0:
            return None
        if said := broken(store):
            return said
        missing = expected - count_files(store)
        return f"{missing} files of {store} are gone" if missing > 0 else None

    def _content(self, path: str) -> dict[str, Any] | None:
        """What a JSON file says; None if it is not there, or says nothing that can be used."""
        try:
            content: dict[str, Any] = read_json(path)
        except FileNotFoundError:
            return None
        except InputError as error:
            self._remove(path, error.found)
            return None
        return content

    def _remove(self, path: str, why: str) -> None:
        Path(path).unlink(missing_ok=True)
        self.removed[path] = why

    @property
    def said(self) -> Iterator[str]:
        """A line for each file that was removed."""
        for path, why in self.removed.items():
            yield f"{path} is removed, for {why.rstrip('.')}; what it stood for is made anew"


def _hash(path: str) -> str | None:
    with contextlib.suppress(OSError):
        return file_hash(path)
    return None
