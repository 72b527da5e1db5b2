"""Rule train_model: train one network on every training row."""

from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.registry import settings_of
from pssrflow.pairs.field import open_field
from pssrflow.run.files import read_json
from pssrflow.run.job import job
from pssrflow.train.settings import Recipe
from pssrflow.train.stage import train

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.folder):
        params = snakemake.params
        settings = settings_of(params.crappify, *snakemake.input.fit, **params.accept)
        recipe = {key: value for key, value in params.train.items() if key != "resume"}
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
        train(
            fields=fields,
            crappifier=Crappifier.from_config(**settings),
            model=params.model,
            recipe=Recipe(**recipe),
            seed=params.seed,
            folder=params.folder,
            done=snakemake.output.done,
            threads=snakemake.threads,
            resume=params.train["resume"],
            # No parameter: another licence trains nothing anew.
            licence=snakemake.config["export"]["license"],
            identity={
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
        )
