"""Rule train_model: train one network on every training row."""

from pssrflow.crappifier import Crappifier
from pssrflow.jobs import job, read_json
from pssrflow.patches import open_field
from pssrflow.train import Recipe, train

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        params = snakemake.params
        recipe = {key: value for key, value in params.train.items() if key != "resume"}
        fields = [
            open_field(
                row["sample"],
                row["hr"],
                row["lr"],
                params.crappify["scale"],
                read_json(row["registration"])["shift"] if row["lr"] else (0, 0),
            )
            for row in params.rows
        ]
        train(
            fields=fields,
            crappifier=Crappifier.from_config(**params.crappify),
            model=params.model,
            recipe=Recipe(**recipe),
            seed=params.seed,
            folder=params.folder,
            done=snakemake.output.done,
            threads=snakemake.threads,
            resume=params.train["resume"],
            identity={
                "crappify": params.crappify,
                "seed": params.seed,
                "code": params.code,
                "trained_on": {
                    path: read_json(path).get("content") or read_json(path)
                    for path in map(str, snakemake.input)
                },
            },
        )
