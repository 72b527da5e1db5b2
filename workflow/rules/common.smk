import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir, "workflow", "scripts")))

from pssrflow.config.check import check_config
from pssrflow.errors import InputError
from pssrflow.run.locks import claim
from pssrflow.run.rerun import code_hash, fingerprint
from pssrflow.config.samples import OVERRIDES, SIMULATED, check_roles, read_samples
from pssrflow.keys import load_schema
from pssrflow.run.files import input_paths

TEMPLATE = Path(workflow.basedir, "workflow", "scripts", "pssrflow", "report", "page.html.jinja")


def checked_input():
    """Configuration with defaults, and sample sheet; refused with a readable message."""
    schemas = Path(workflow.basedir, "workflow", "schemas")
    given = workflow.config_settings
    files = map(str, given.configfiles or [])
    # Snakemake merges mappings; a user who names networks does not want the default one too.
    if "models" in given.overwrite_config:
        config["models"] = given.overwrite_config["models"]
    try:
        checked = check_config(
            config,
            load_schema(schemas / "config.schema.yaml"),
            " + ".join(["config.yaml", *files]),
        )
        table = read_samples(
            checked["samples"], load_schema(schemas / "samples.schema.yaml"), checked
        )
        check_roles(table, checked["samples"], checked["models"])
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return checked, table


config, SAMPLES = checked_input()

RESULTS = config["results"].rstrip("/")
MODELS = list(config["models"])
ENSEMBLES = [name for name, model in config["models"].items() if model["arch"] == "ensemble"]
TRAINED = SAMPLES.index[SAMPLES["role"] == "train"].tolist()
TESTED = SAMPLES.index[SAMPLES["role"] == "test"].tolist()
PREDICTED = SAMPLES.index[SAMPLES["role"] != "train"].tolist()
HR_SAMPLES = SAMPLES.index[SAMPLES["role"] != "predict"].tolist()
PAIRED = SAMPLES.index[SAMPLES["lr_path"].notna()].tolist()
ACQUIRED_LR = SAMPLES.index[(SAMPLES["role"] == "predict") | SAMPLES["lr_path"].notna()].tolist()
WEIGHTED = SAMPLES.index[SAMPLES["weight_path"].notna()].tolist()
MASKED = SAMPLES.index[SAMPLES["mask_path"].notna()].tolist()
CRAPPIFIED = [sample for sample in HR_SAMPLES if sample not in PAIRED]
# Draws of the noise besides the first.
DRAWS = range(1, config["crappify"]["realizations"])

STORES = (config["stores"] or RESULTS).rstrip("/")

# Stores are parameters, never inputs or outputs: Snakemake would delete or time-stamp them.
HR_STORE = f"{STORES}/{{sample}}/hr.ome.zarr"
LR_STORE = f"{STORES}/{{sample}}/lr.ome.zarr"
WEIGHT_STORE = f"{STORES}/{{sample}}/weight.ome.zarr"
MASK_STORE = f"{STORES}/{{sample}}/mask.ome.zarr"
SR_STORE = f"{STORES}/{{sample}}/{{model}}/sr.ome.zarr"
HR_DONE = f"{RESULTS}/{{sample}}/hr.done.json"
LR_DONE = f"{RESULTS}/{{sample}}/lr.done.json"
WEIGHT_DONE = f"{RESULTS}/{{sample}}/weight.done.json"
MASK_DONE = f"{RESULTS}/{{sample}}/mask.done.json"
SR_DONE = f"{RESULTS}/{{sample}}/{{model}}/sr.done.json"
SIMULATE_DONE = f"{RESULTS}/simulated/{{name}}.done.json"
LR_DRAW = f"{STORES}/{{sample}}/lr.{{draw}}.ome.zarr"
LR_DRAW_DONE = f"{RESULTS}/{{sample}}/lr.{{draw}}.done.json"
CALIBRATION = f"{RESULTS}/calibration/crappifier.json"
REGISTRATION = f"{RESULTS}/{{sample}}/registration.json"
TRAIN_DONE = f"{RESULTS}/models/{{model}}/train.done.json"
MODEL_FOLDER = f"{RESULTS}/models/{{model}}"
WEIGHTS = f"{RESULTS}/models/{{model}}/best.safetensors"
METRICS = f"{RESULTS}/{{sample}}/{{model}}/metrics.csv"
DRAWS_DONE = expand(LR_DONE, sample=CRAPPIFIED) + expand(
    LR_DRAW_DONE, sample=CRAPPIFIED, draw=DRAWS
)
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"


def one_of(names):
    """Wildcard constraint: one of these names, or nothing at all."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    sample=one_of(SAMPLES.index),
    model=one_of(MODELS),
    name=one_of(config["simulate"]),
    part=r"\d+",


def code(script):
    """Parameter that changes with the code of a script and of what it imports."""
    return code_hash(str(Path(workflow.basedir, "workflow", "scripts", f"{script}.py")))


def crappifier_params():
    """What makes the crappifier, with a hash of every file of the user's own that it runs."""
    settings = {k: v for k, v in config["crappify"].items() if k not in ("realizations", "cluster")}
    files = [settings["fit"]] if settings["fit"] not in (None, "calibration") else []
    if any(s["name"] in ("custom", "network") for s in settings["before"] + settings["noise"]):
        # Only now: its compiler takes a second to load, in every job.
        from pssrflow.crappify.registry import foreign_files

        files += foreign_files(settings)
    return {**settings, "files": {f: fingerprint((f,)) for f in files if Path(f).exists()}}


def model_params(wildcards):
    """What makes a network, with a hash of every file of the user's own that goes into it."""
    model = config["models"][wildcards.model]
    files = [model["weights"]] if model["weights"] else []
    files += [m for m in model.get("members", ()) if m not in MODELS]
    if model["arch"] == "custom":
        from pssrflow.plugins import source_file

        files += filter(None, [source_file(model["path"])])
    return {**model, "files": {str(f): fingerprint((str(f),)) for f in files}}


def members(wildcards, among=None):
    """Members of an ensemble: models of the configuration and files of weights, or some of them."""
    named = config["models"][wildcards.model]["members"]
    return [m for m in named if among is None or m in among]


def about(export, model):
    """What the configuration says of a package, named after its model where it gives no name."""
    return export | {"name": export["name"] or f"PSSRflow {model}"}


def fit_input():
    """The fitted crappifier, where one is asked for."""
    return [CALIBRATION] if config["crappify"]["fit"] == "calibration" else []


def calibration_rows():
    """Rows that the crappifier is fitted on: pairs to learn from, or else LR images alone."""
    chosen = config["calibrate"]["samples"]
    pairs = [s for s in TRAINED if s in PAIRED]
    for sample in chosen or []:
        if sample not in SAMPLES.index:
            raise WorkflowError(
                f"calibrate.samples: no sample {sample!r} in {config['samples']}. "
                f"Accepted: {', '.join(SAMPLES.index)}"
            )
    names = chosen or pairs or [s for s in PREDICTED if s not in HR_SAMPLES]
    if not names and config["crappify"]["fit"] == "calibration":
        raise WorkflowError(
            f"crappify.fit: calibration, but {config['samples']} has no row to fit on. "
            "Accepted: an lr_path in a train row, a predict row, or another crappify.fit"
        )
    return [
        {
            "sample": s,
            "hr": HR_STORE.format(sample=s) if s in HR_SAMPLES else None,
            "lr": LR_STORE.format(sample=s) if s in ACQUIRED_LR else None,
        }
        for s in names
    ]


def raw_path(column):
    """Function of the wildcards: where the acquisition of that column lies."""

    def path(wildcards):
        text = SAMPLES.at[wildcards.sample, column]
        return simulated_path(text) if text.startswith(SIMULATED) else text

    return path


def simulated_path(text):
    name = text.removeprefix(SIMULATED)
    suffix = ".ome.tif" if config["simulate"][name]["format"] == "ome-tiff" else ""
    return f"{RESULTS}/simulated/{name}{suffix}"


def raw_done(column):
    """Function of the wildcards: what must be simulated first."""

    def done(wildcards):
        text = SAMPLES.at[wildcards.sample, column]
        name = text.removeprefix(SIMULATED)
        return [SIMULATE_DONE.format(name=name)] if text.startswith(SIMULATED) else []

    return done


def raw_fingerprint(column):
    """Function of the wildcards: a hash of the acquisition, which is no Snakemake input."""

    def fingerprinted(wildcards):
        text = SAMPLES.at[wildcards.sample, column]
        if text.startswith(SIMULATED):
            return None
        return fingerprint(tuple(map(str, input_paths(text))))

    return fingerprinted


def overrides(*names):
    """Function of the wildcards: what the sample sheet says instead of the file."""
    return lambda wildcards: {n: SAMPLES.at[wildcards.sample, n] for n in names}


def training_rows():
    """Sample, stores and registration of every training row."""
    return [
        {
            "sample": sample,
            "hr": HR_STORE.format(sample=sample),
            "lr": LR_STORE.format(sample=sample),
            "acquired": sample in PAIRED,
            "weight": WEIGHT_STORE.format(sample=sample) if sample in WEIGHTED else None,
            "registration": REGISTRATION.format(sample=sample),
        }
        for sample in TRAINED
    ]


def prediction_input(wildcards):
    """What a prediction waits for, besides the network."""
    masks = [MASK_DONE.format(**wildcards)] if wildcards.sample in MASKED else []
    return [LR_DONE.format(**wildcards), *masks]


def regions():
    """What of each predict row is super-resolved; rows with a truth are whole."""
    roi = config["predict"]["roi"]
    known = [sample for sample in PREDICTED if sample not in HR_SAMPLES]
    if not isinstance(roi, dict):
        return dict.fromkeys(known, roi)
    for sample in roi:
        if sample not in known:
            raise WorkflowError(
                f"predict.roi: {sample!r} is no predict row of {config['samples']}. "
                f"Accepted: {', '.join(known) or 'none, for there is no such row'}"
            )
    return roi


REGIONS = regions()


def masked(wildcards):
    """Whether a prediction has a mask."""
    return wildcards.sample in MASKED


def forecast_rows():
    """What is known of every row that will be super-resolved, before it is ingested."""
    rows = []
    for sample in PREDICTED:
        column = "lr_path" if sample in PAIRED else "path"
        text, hr = SAMPLES.at[sample, column], sample in CRAPPIFIED
        simulated = text.startswith(SIMULATED)
        names = ("axes", "scene", "channels") if sample in PAIRED else OVERRIDES
        rows.append(
            {
                "sample": sample,
                "path": text,
                "simulated": simulated and config["simulate"][text.removeprefix(SIMULATED)],
                "overrides": {n: SAMPLES.at[sample, n] for n in names},
                "crappified": hr,
                "roi": REGIONS.get(sample),
                "masked": sample in MASKED,
            }
        )
    return rows


def report_rows():
    """What the report shows of every row: its role, and whether it is an acquired pair."""
    return [
        {"sample": s, "role": SAMPLES.at[s, "role"], "paired": s in PAIRED} for s in SAMPLES.index
    ]
