"""Where every file of a run lies: the one place that spells a path of `results/`.

Methods take the names that rules have as wildcards; without them they give Snakemake's patterns.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

SAMPLE, MODEL = "{sample}", "{model}"
# Of a sample and of a model, whose names stand together in that of a log: 255 bytes in all.
LONGEST_NAME = 100
# Of a model.
BEST, HISTORY, TRAINED = "best.safetensors", "history.csv", "train.done.json"
PROMISE = "trust.safetensors"
# Markers of a prediction: of a part, of all parts in one, of a share of the pyramid.
MARKER, COLLECTED, PYRAMID = "{part}.json", "collected.json", "pyramid.{part}.json"
# Beside them, the plan that they are of; no "*.json", for it is no marker.
KEPT_PLAN = "plan.kept"
# Of an image or a table that several jobs share: what they agree on, beside their markers.
SHARES = "shares.json"


class Roles:
    """What a row of the sample sheet is for."""

    if TYPE_CHECKING:
        # pydantic would put it before the other columns of the sheet.
        role: str

    @property
    def has_hr(self) -> bool:
        """Whether there is an HR image: to learn from, or as the truth."""
        return self.role != "predict"

    @property
    def trained(self) -> bool:
        """Whether it is learnt from."""
        return self.role == "train"

    @property
    def tested(self) -> bool:
        """Whether predictions are compared with a truth."""
        return self.role == "test"

    @property
    def predicted(self) -> bool:
        """Whether it is super-resolved."""
        return self.role in ("test", "predict")

    @property
    def promised(self) -> bool:
        """Whether it serves for the promises of trust alone."""
        return self.role == "trust"


@dataclass(frozen=True)
class Sample(Roles):
    """One row of the sample sheet, as far as a job needs to know it.

    Attributes
    ----------
    name : str
    role : str
        "train", "test", "predict" or "trust".
    paired : bool
        Whether its LR image was acquired beside the HR image.
    masked : bool
        Whether a mask says what counts.
    """

    name: str
    role: str
    paired: bool = False
    masked: bool = False

    @property
    def crappified(self) -> bool:
        """Whether the LR image was made of the HR image."""
        return self.has_hr and not self.paired


@dataclass(frozen=True)
class Layout:
    """Paths of a run.

    Attributes
    ----------
    results : str
        Folder of everything but the stores.
    stores : str
        Folder or URI of the stores.
    """

    results: str
    stores: str

    @classmethod
    def of(cls, results: str, stores: str | None) -> "Layout":
        """From the keys of the configuration; without `stores` they lie in the results."""
        return cls(results.rstrip("/"), (stores or results).rstrip("/"))

    # -- of a sample ------------------------------------------------------------------------------

    def image_store(self, image: str) -> str:
        """Store of an image, "sample/kind"; the kind is "hr", "lr", "lr.1", "weight" or "mask"."""
        return f"{self.stores}/{image}.ome.zarr"

    def image_done(self, image: str) -> str:
        """Says that such a store is finished."""
        return f"{self.results}/{image}.done.json"

    def image_shares(self, image: str) -> str:
        """Folder of what the jobs that share an image say."""
        return f"{self.results}/{image}.parts"

    def image_begun(self, image: str) -> str:
        """What those jobs agree on."""
        return f"{self.image_shares(image)}/{SHARES}"

    def image_part(self, image: str) -> str:
        """Marker of one of them."""
        return f"{self.image_shares(image)}/{MARKER}"

    def store(self, kind: str, sample: str = SAMPLE) -> str:
        """Store of an image of a sample."""
        return self.image_store(f"{sample}/{kind}")

    def done(self, kind: str, sample: str = SAMPLE) -> str:
        """Says that such a store is finished."""
        return self.image_done(f"{sample}/{kind}")

    def registration(self, sample: str = SAMPLE) -> str:
        """How the acquired LR image of a sample lies beside the HR image."""
        return f"{self.results}/{sample}/registration.json"

    def twice(self, sample: str = SAMPLE) -> str:
        """How a second HR scan of a sample lies beside the first."""
        return f"{self.results}/{sample}/hr2.registration.json"

    # -- of a sample and a model ------------------------------------------------------------------

    def map_store(self, name: str, sample: str = SAMPLE, model: str = MODEL) -> str:
        """Store of what a prediction keeps: "sr", "std"."""
        return f"{self.stores}/{sample}/{model}/{name}.ome.zarr"

    def map_done(self, name: str, sample: str = SAMPLE, model: str = MODEL) -> str:
        """Says that such a store is finished."""
        return f"{self.results}/{sample}/{model}/{name}.done.json"

    def map_image(self, name: str, sample: str = SAMPLE, model: str = MODEL) -> str:
        """The same as an image that every program opens."""
        return f"{self.results}/{sample}/{model}/{name}.ome.tif"

    def plan(self, sample: str = SAMPLE, model: str = MODEL) -> str:
        """What all jobs of a prediction agree on."""
        return f"{self.results}/{sample}/{model}/sr.plan.json"

    def parts(self, sample: str = SAMPLE, model: str = MODEL) -> str:
        """Folder of the markers of a prediction's parts."""
        return f"{self.results}/{sample}/{model}/sr.parts"

    def kept_plan(self, sample: str = SAMPLE, model: str = MODEL) -> str:
        """The plan that the markers are of."""
        return f"{self.parts(sample, model)}/{KEPT_PLAN}"

    def part(self) -> str:
        """Marker of a part."""
        return f"{self.parts()}/{MARKER}"

    def collected(self) -> str:
        """Markers of all parts in one."""
        return f"{self.parts()}/{COLLECTED}"

    def pyramid(self) -> str:
        """Marker of a share of the pyramid."""
        return f"{self.parts()}/{PYRAMID}"

    def metrics(self, sample: str = SAMPLE, model: str = MODEL) -> str:
        """Metrics of a prediction and its baselines, a row per plane."""
        return f"{self.results}/{sample}/{model}/metrics.csv"

    def metrics_shares(self, sample: str = SAMPLE, model: str = MODEL) -> str:
        """Folder of what the jobs that share an evaluation say."""
        return f"{self.results}/{sample}/{model}/metrics.parts"

    def metrics_part(self) -> str:
        """Marker of one of them."""
        return f"{self.metrics_shares()}/{MARKER}"

    def trust_shares(self, sample: str = SAMPLE, model: str = MODEL) -> str:
        """Folder of what the jobs that share a map of trust say."""
        return f"{self.results}/{sample}/{model}/trust.parts"

    def trust_begun(self) -> str:
        """What those jobs agree on."""
        return f"{self.trust_shares()}/{SHARES}"

    def trust_part(self) -> str:
        """Marker of one of them."""
        return f"{self.trust_shares()}/{MARKER}"

    # -- of a model -------------------------------------------------------------------------------

    def model(self, model: str = MODEL) -> str:
        """Folder of a model."""
        return f"{self.results}/models/{model}"

    def weights(self, model: str = MODEL) -> str:
        """The best weights of a model."""
        return f"{self.model(model)}/{BEST}"

    def trained(self, model: str = MODEL) -> str:
        """Says that a model is trained, assembled or adopted."""
        return f"{self.model(model)}/{TRAINED}"

    def history(self, model: str = MODEL) -> str:
        """A row per validation."""
        return f"{self.model(model)}/{HISTORY}"

    def promise(self, model: str = MODEL) -> str:
        """What is promised of a model's predictions."""
        return f"{self.model(model)}/{PROMISE}"

    def promised(self, model: str = MODEL) -> str:
        """Says that such a promise is finished."""
        return f"{self.model(model)}/trust.done.json"

    def package(self, model: str = MODEL) -> str:
        """A model as a package of bioimage.io."""
        return f"{self.model(model)}/{model}.bioimageio.zip"

    # -- of the run -------------------------------------------------------------------------------

    def simulated(self, name: str, suffix: str = "") -> str:
        """Raw files of a simulated acquisition."""
        return f"{self.results}/simulated/{name}{suffix}"

    def simulated_done(self, name: str = "{name}") -> str:
        """Says that an acquisition is simulated."""
        return f"{self.results}/simulated/{name}.done.json"

    @property
    def crappifier(self) -> str:
        """The fitted crappifier."""
        return f"{self.results}/calibration/crappifier.json"

    @property
    def measured(self) -> str:
        """LR images without a partner whose noise was measured."""
        return f"{self.results}/calibration/measured.json"

    @property
    def magnification(self) -> str:
        """At which magnifications networks learn."""
        return f"{self.results}/magnification.json"

    @property
    def smoothing(self) -> str:
        """How wide the Gaussian of smoothed interpolation is."""
        return f"{self.results}/smoothing.json"

    @property
    def copies(self) -> str:
        """Says that no pixel that is learnt from is tested."""
        return f"{self.results}/copies.json"

    @property
    def verdict(self) -> str:
        """Which predictions are fit for use."""
        return f"{self.results}/verdict.json"

    @property
    def accepted(self) -> str:
        """Says that none is worse than `report.fail_on` allows."""
        return f"{self.results}/accepted.json"

    @property
    def page(self) -> str:
        """The report."""
        return f"{self.results}/report.html"

    @property
    def figures(self) -> str:
        """Every figure on the page, as data."""
        return f"{self.results}/report.json"

    @property
    def provenance(self) -> str:
        """What was made from what."""
        return f"{self.results}/provenance.json"

    def log(self, name: str) -> str:
        """Log of a job."""
        return f"{self.results}/logs/{name}.log"

    def benchmark(self, name: str) -> str:
        """Time and memory of a job."""
        return f"{self.results}/benchmarks/{name}.tsv"


def _beside_samples() -> frozenset[str]:
    of = Layout("", "")
    paths = of.model(), of.crappifier, of.log("x"), of.benchmark("x"), of.simulated("x")
    files = of.page, of.figures, of.provenance, "/ro-crate-metadata.json"
    return frozenset(path.split("/")[1] for path in (*paths, *files))


# Names that no sample may have: folders and files that the results hold beside the samples'.
RESERVED = _beside_samples()
