"""Rule calibrate_trust: learn what can be promised of a network's predictions."""

from dataclasses import replace

from pssrflow.calibrate.frames import Noise, unknowable
from pssrflow.crappify.settings import settings_of
from pssrflow.pairs.aligned import Scan, read_shift
from pssrflow.pairs.field import open_row
from pssrflow.run.job import job
from pssrflow.trust.stage import Asked, Rows, adopt, promise
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    params, given = snakemake.params, snakemake.input
    with job(snakemake.log[0], snakemake.threads, params.folder):
        scale = params.crappify["scale"]
        # Even a crappified LR image is read as it is stored.
        fields = [replace(open_row(row, scale), lr=Store(row["lr"])) for row in params.rows]
        asked = Asked(
            level=params.trust["level"],
            blocks=params.trust["blocks"],
            kept=params.kept,
            patch=params.train["patch"],
            validation=params.train["validation"],
            seed=params.seed,
        )
        twins = {
            row["sample"]: Scan(Store(row["hr2"]), *read_shift(row["twice"]))
            for row in params.rows
            if row.get("hr2")
        }
        counted = {
            row["sample"]: Noise.of_counts(row["counts"]) for row in params.rows if "counts" in row
        }
        crappified = [row["sample"] for row in params.rows if not row["acquired"]]
        fit = next(iter(given.fit), None)
        settings = settings_of(params.crappify, *given.fit, **params.accept)
        if params.package and not fields:
            adopt(params.package, settings, asked, snakemake.output.done)
        else:
            promise(
                rows=Rows(
                    fields=fields,
                    only=[row["sample"] for row in params.rows if row.get("promised")],
                    noise=unknowable(fields, twins, counted, fit, crappified, scale),
                    drawn=crappified,
                ),
                weights=params.weights,
                python=params.python,
                crappify=settings,
                asked=asked,
                threads=snakemake.threads,
                done=snakemake.output.done,
            )
