"""Rule train_model: train one network on every training row."""

import sys
from pathlib import Path

from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.settings import settings_of
from pssrflow.models.model import Model
from pssrflow.pairs.field import open_row
from pssrflow.run.files import read_json, read_made
from pssrflow.run.job import job
from pssrflow.run.nodes import is_member, run_on_nodes
from pssrflow.train.progress import Training
from pssrflow.train.settings import Settings
from pssrflow.train.stage import train


def learn(recipe):
    """The training, or what one of its processes on several machines does."""
    params = snakemake.params
    settings = settings_of(params.crappify, *snakemake.input.fit, **params.accept)
    fields = [open_row(row, params.crappify["scale"]) for row in params.rows]
    given = snakemake.input
    beside = (*given.fit, *given.zoom, *given.copies)
    shares = {f"share of {row['sample']}": row["share"] for row in params.rows if "share" in row}
    chosen = read_json(snakemake.input.zoom[0])["zoom"] if snakemake.input.zoom else None
    zoom = recipe.magnifications(chosen)
    training = Training(
        recipe=recipe,
        zoom=zoom,
        kept=params.kept,
        seed=params.seed,
        folder=Path(params.folder),
        made_of={
            "crappify": settings | {"files": params.crappify["files"]},
            "seed": params.seed,
            "begun_with": sorted(params.model["files"].values()) or None,
            "code": params.code,
            "trained_on": {
                # Networks know pixels, not how large they are.
                path: read_made(path, "pixel_size_um")
                for path in map(str, given)
                if path not in beside
            }
            | shares
            | ({"kept for trust": params.kept} if params.kept else {}),
        }
        | ({"zoom": list(zoom)} if zoom != (1, 1) else {}),
        # No parameter: another licence trains nothing anew.
        licence=snakemake.config["export"]["license"],
    )
    train(
        fields=fields,
        crappifier=Crappifier.from_config(**settings),
        model=Model.from_params(params.model),
        training=training,
        threads=snakemake.threads,
        done=snakemake.output.done,
    )


if __name__ == "__main__":
    # Of the recipe, only what decides the result is a parameter.
    recipe = Settings(**snakemake.config["train"])
    if is_member():
        # The job that started it holds the lock and writes the log.
        learn(recipe)
    else:
        with job(snakemake.log[0], snakemake.threads, snakemake.params.folder):
            if recipe.nodes == 1:
                learn(recipe)
            else:
                threads = snakemake.threads // recipe.devices
                # Snakemake has put what the job is told before the script, in another file.
                run_on_nodes(sys.argv[0], recipe.nodes, recipe.devices, threads)
