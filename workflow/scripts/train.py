"""Rule train_model: train one network on every training row."""

from pathlib import Path

from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.settings import settings_of
from pssrflow.models.model import Model
from pssrflow.pairs.field import open_field
from pssrflow.run.files import read_json
from pssrflow.run.job import job
from pssrflow.train.progress import Training
from pssrflow.train.settings import Settings
from pssrflow.train.stage import train

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.folder):
        params = snakemake.params
        settings = settings_of(params.crappify, *snakemake.input.fit, **params.accept)
        fields = [
            open_field(
                row["sample"],
                row["hr"],
                row["lr"],
                row["acquired"],
                params.crappify["scale"],
                read_json(row["registration"])["shift"] if row["acquired"] else (0, 0),
                row["weight"],
            )
            for row in params.rows
        ]
        training = Training(
            recipe=Settings(**params.train),
            seed=params.seed,
            folder=Path(params.folder),
            made_of={
                "crappify": settings | {"files": params.crappify["files"]},
                "seed": params.seed,
                "code": params.code,
                # Where the files lay and what was noted about them trains nothing.
                "trained_on": {
                    path: {k: v for k, v in read_json(path).items() if k not in ("source", "notes")}
                    for path in map(str, snakemake.input)
                    if path not in snakemake.input.fit
                },
            },
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
