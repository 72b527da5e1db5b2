"""The report: one HTML page that opens from disk and loads nothing, and its figures as data."""

import dataclasses
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

from pssrflow.crappify.settings import settings_of
from pssrflow.report.comparison import Comparison
from pssrflow.report.domain import differences
from pssrflow.report.imitation import Fit, Imitation, imitation_of, read_fit
from pssrflow.report.measured import Measured, measured
from pssrflow.report.pictures import Picture, Shown, glimpse, shown
from pssrflow.report.provenance import Note, Provenance, Run, StoreFacts
from pssrflow.report.training import Training, training_of
from pssrflow.report.trust import Trusted, trusted
from pssrflow.report.verdict import Headline, Verdict, headline, read_metrics, verdicts
from pssrflow.run.files import file_hash, replacing, write_json

log = logging.getLogger(__name__)

TEMPLATE = Path(__file__).with_name("page.html.jinja")
FORMAT = 1
# Predictions, and acquired pairs, of which the page holds all pictures; it grows with the others.
IN_FULL = 10
# What stands on the page where there is no figure.
NOTHING = "–"


@dataclass(frozen=True)
class Page:
    """What the page says, in its order; the same, without the pixels of pictures, is the data."""

    title: str
    pssrflow: str
    scale: int
    models: list[str]
    verdicts: list[Verdict]
    trust: list[Trusted]
    notes: list[Note]
    differences: dict[str, list[str]]
    headline: list[Headline]
    measured: Measured
    predictions: list[Shown]
    trainings: list[Training]
    fit: Fit | None
    crappified: bool
    imitations: list[Imitation]
    not_imitated: int
    stores: list[StoreFacts]


def write_report(run: Run) -> None:
    """Write the page, its figures and the provenance of everything that it shows."""
    provenance = Provenance.of(run)
    page = _page(run, provenance)
    text = rendered(page, provenance)
    write_json(run.layout.provenance, provenance.to_json())
    with replacing(run.layout.page) as scratch:
        scratch.write_text(text, encoding="utf-8")
    # Vouches for the page, so it comes last.
    about = {"format": FORMAT, "page": file_hash(run.layout.page)}
    write_json(run.layout.figures, about | plain(page))
    log.info("%s: %.1f MB", run.layout.page, len(text) / 1e6)


def _page(run, provenance):
    metrics = read_metrics(run.layout, run.samples, run.models)
    found = verdicts(metrics)
    imitations, left_out = _imitations(run)
    far = differences(run.layout, run.samples)
    for sample, texts in far.items():
        for text in texts:
            log.warning("%s: %s", sample, text)
    return Page(
        title=run.config["report"]["title"],
        pssrflow=provenance.pssrflow,
        scale=run.config["crappify"]["scale"],
        models=run.models,
        verdicts=found,
        trust=trusted(run.layout) if run.config["trust"]["maps"] else [],
        notes=provenance.notes,
        differences=far,
        headline=headline(metrics),
        measured=measured(run.layout, run.samples, run.models),
        predictions=_predictions(run, found),
        trainings=[training_of(run.layout, model) for model in run.models],
        fit=read_fit(run.fit) if run.fit else None,
        crappified=any(sample.crappified for sample in run.samples),
        imitations=imitations,
        not_imitated=left_out,
        stores=provenance.stores,
    )


def _predictions(run, found):
    """Every prediction: some with all pictures, the others with a small one."""
    scale, crop = run.config["crappify"]["scale"], run.config["report"]["crop"]
    predicted = [(s, model) for s in run.samples if s.predicted for model in run.models]
    whole = most_telling([(sample.name, model) for sample, model in predicted], found)
    return [
        (shown if (sample.name, model) in whole else glimpse)(
            Comparison(run.layout, sample, model, scale), crop
        )
        for sample, model in predicted
    ]


def most_telling(predicted: list[tuple[str, str]], found: list[Verdict]) -> set[tuple[str, str]]:
    """Predictions (sample, model) that are shown with all pictures: the worst, then the first."""
    known = (one for one in found if one.psnr_gain is not None)
    gains = {(one.sample, one.model): one.psnr_gain or 0.0 for one in known}
    order = sorted(predicted, key=lambda pair: gains.get(pair, math.inf))
    return set(order[:IN_FULL])


def _imitations(run):
    """How the crappifier imitates some acquired pairs, and how many more there are."""
    paired = [sample.name for sample in run.samples if sample.paired]
    if not paired or not any(sample.crappified for sample in run.samples):
        return [], 0
    crappifier = settings_of(run.config["crappify"], run.fit, require_fit=False)
    some, seed = paired[:IN_FULL], run.config["seed"]
    made = [imitation_of(run.layout, name, crappifier, seed, bool(run.fit)) for name in some]
    return made, len(paired) - len(some)


# -- as data --------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """As JSON: pictures without their pixels, numbers that are not finite as null."""
    if isinstance(value, Picture):
        return {"alt": value.alt, "caption": value.caption}
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# -- as a page ------------------------------------------------------------------------------------


def rendered(page: Page, provenance: Provenance) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"number": number, "significant": significant, "interval": interval}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        page=page,
        versions=provenance.versions,
        config=yaml.safe_dump(provenance.config, sort_keys=False),
    )


def number(value: float | None, digits: int, sign: str = "") -> str:
    """With a fixed number of decimals."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:{sign}.{digits}f}"


def interval(found: list[float | None] | None, digits: int, sign: str = "") -> str:
    """A value with the ends of its interval."""
    value, low, high = found or (None, None, None)
    ends = (
        "" if low is None else " ({} to {})".format(*(number(n, digits, sign) for n in (low, high)))
    )
    return number(value, digits, sign) + ends


def significant(value: float | str | None, digits: int = 4) -> str:
    """With a number of digits that count; text as it is."""
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else f"{value:.{digits}g}"
