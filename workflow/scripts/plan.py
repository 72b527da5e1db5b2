"""Rule plan: print what the predictions will need; nothing is written but the log."""

from pssrflow.predict.forecast import expected_network, expected_volume, forecast, table
from pssrflow.run.job import job
from pssrflow.volumes.regions import parse_roi

if __name__ == "__main__":
    params = snakemake.params
    sizes, scale = params.sizes, params.scale
    with job(snakemake.log[0], snakemake.threads, snakemake.log[0]):
        volumes = {row["sample"]: expected_volume(row, *sizes, scale) for row in params.rows}
        found = []
        for model in params.weights:
            network = expected_network(
                model, params.models, params.weights, scale, params.percentiles
            )
            for row in params.rows:
                lr = volumes[row["sample"]]
                box = parse_roi(row["roi"] or ":, :", lr.shape, lr.pixel_size)
                what = params.parts, params.settings, row["masked"]
                needed = forecast(network, lr, box, *sizes, *what)
                found.append((row["sample"], model, needed))
        print(table(found))
