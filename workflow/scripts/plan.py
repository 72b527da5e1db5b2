"""Rule plan: print what the predictions will need; nothing is written but the log."""

from pssrflow.models.model import Model
from pssrflow.predict.expected import Networks, Row, expected_volume
from pssrflow.predict.forecast import forecast, job_table, table
from pssrflow.predict.plan import Request
from pssrflow.predict.settings import Settings
from pssrflow.run.job import job

if __name__ == "__main__":
    params = snakemake.params
    sizes, settings = params.sizes, Settings(**params.settings)
    models = {name: Model.from_params(plain, name) for name, plain in params.models.items()}
    networks = Networks(models, params.weights, params.scale, params.percentiles)
    with job(snakemake.log[0], snakemake.threads, snakemake.log[0]):
        rows = [Row.of(row) for row in params.rows]
        volumes = [expected_volume(row, *sizes, params.scale) for row in rows]
        found = []
        for model in params.weights:
            network = networks.expected(model)
            for row, lr in zip(rows, volumes):
                parts = params.parts[f"{row.sample}/{model}"]
                request = Request(settings, parts, *sizes, row.roi)
                found.append((row.sample, model, forecast(network, lr, request, row.masked)))
        print(table(found), job_table(params.jobs), sep="\n\n")
