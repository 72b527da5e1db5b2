import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Not that of the workflow that names this one as a module.
sys.path.insert(0, str(Path(str(workflow.current_basedir)).with_name("scripts")))

try:
    from pssrflow.config.check import check_config
    from pssrflow.config.rule_params import Rules, one_of
    from pssrflow.config.samples import read_rows
    from pssrflow.config.submitted import submitted
    from pssrflow.config.vouched import reached, retrained, unfinish
    from pssrflow.config.yaml_files import check_command, check_files
    from pssrflow.errors import InputError
    from pssrflow.run.failures import failures
    from pssrflow.run.files import full_disks
    from pssrflow.run.locks import claim
except ModuleNotFoundError as error:
    if str(error.name).startswith("pssrflow"):
        raise
    # Of a module, Snakemake is often one that the user had before.
    raise WorkflowError(
        f"Snakemake runs without {error.name}; PSSRflow needs one with its packages: "
        f"pip install --requirement {Path(sys.path[0]).parents[1]}/envs/requirements.txt"
    ) from None


def shared_cores():
    """Processors of this machine, which jobs share; None on a cluster, which gives each its own."""
    if workflow.remote_exec or workflow.nodes is not None:
        # The profile of one machine takes all of its own, to which jobs elsewhere must not be held.
        workflow.global_resources["_cores"] = None
        return None
    return workflow.cores


def checked_input():
    """Configuration and sample sheet; refused with a readable message."""
    given = workflow.config_settings
    files = list(map(str, given.configfiles or []))
    # Snakemake merges mappings; a user who names networks does not want the default one too.
    if "models" in given.overwrite_config:
        config["models"] = given.overwrite_config["models"]
    try:
        if workflow.is_main_process:
            check_command(sys.argv)
            check_files(files)
        settings = check_config(
            config, " + ".join(["config.yaml", *files]), trial=workflow.is_main_process
        )
        rows = read_rows(settings, trial=workflow.is_main_process)
        rules = Rules(settings, rows, shared_cores(), main=workflow.is_main_process)
        # Asked for now: what they refuse is refused before anything runs.
        _ = rules.calibration_rows, rules.predictions.regions
        if workflow.is_main_process:
            reached(rules)
            for line in (*unfinish(rules), *retrained(rules)):
                logger.warning(line)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return settings, rules


SETTINGS, RUN = checked_input()
config = SETTINGS.plain()
PATHS = RUN.layout
# As it was typed.
COMMAND = ["snakemake", *sys.argv[1:]]
# Where a run writes; Snakemake's own files lie in the first.
WRITTEN = {".", *(folder for folder in (PATHS.results, PATHS.stores) if "://" not in folder)}
# For the scripts that find their files themselves.
PLACES = {"results": PATHS.results, "stores": PATHS.stores}
TRAINED, TESTED, PREDICTED = map(RUN.named, ("trained", "tested", "predicted"))
MODELS = list(SETTINGS.models)
# Stores are parameters, never inputs or outputs: Snakemake would delete or time-stamp them.
DRAWS_DONE = list(map(PATHS.image_done, RUN.draws))


wildcard_constraints:
    sample=one_of(RUN.rows),
    model=one_of(MODELS),
    name=one_of(SETTINGS.simulate),
    image=one_of(RUN.images),
    draw=one_of(RUN.draws),
    part=r"\d+",
