"""The report: one HTML page that opens from disk and loads nothing."""

import logging
from pathlib import Path

import jinja2
import yaml

from pssrflow.crappify.settings import settings_of
from pssrflow.report.comparison import Seen
from pssrflow.report.imitation import calibration_summary, twins_of
from pssrflow.report.pictures import _histogram, picture
from pssrflow.report.provenance import _notes, _stores
from pssrflow.report.training import _curve
from pssrflow.report.verdict import headline, read_metrics, verdicts
from pssrflow.run.version import __version__

log = logging.getLogger(__name__)


TEMPLATE = Path(__file__).with_name("page.html.jinja")


def write_report(path, results, rows, models, config, provenance, calibration=None):
    """Write the page.

    Parameters
    ----------
    path : path-like
    results : str
    rows : list of dict
        `sample`, `role` and `paired` of every row of the sample sheet.
    models : list of str
    config : dict
        With all defaults.
    provenance : dict
    calibration : path-like, optional
        The fitted crappifier, where one was used.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    metrics = read_metrics(results, rows, models)
    seen = [
        Seen.open(results, row, model, config)
        for row in rows
        if row["role"] != "train"
        for model in models
    ]
    page = environment.from_string(TEMPLATE.read_text()).render(
        title=config["report"]["title"],
        version=__version__,
        scale=config["crappify"]["scale"],
        models=models,
        verdicts=verdicts(metrics),
        headline=headline(metrics),
        notes=_notes(provenance),
        pictures=[picture(view) for view in seen],
        curves=[_curve(results, model) for model in models],
        histograms=[_histogram(view) for view in seen],
        calibration=calibration and calibration_summary(calibration),
        twins=[
            twins_of(
                results,
                config["stores"] or results,
                row,
                settings_of(config["crappify"], calibration, False),
                config["seed"],
            )
            for row in rows
            if row["paired"]
        ],
        stores=_stores(provenance),
        versions={
            "pssrflow": __version__,
            **provenance["machine"],
            **provenance["packages"],
        },
        config=yaml.safe_dump(config, sort_keys=False),
    )
    Path(path).write_text(page)
    log.info("%s: %.1f MB", path, len(page) / 1e6)
