"""Rule predict_pyramid: verify a share of the shards and build the pyramid above them."""

from pssrflow.predict.assembly import build_pyramid
from pssrflow.predict.prediction import Prediction
from pssrflow.run.job import job
from pssrflow.run.layout import Layout

if __name__ == "__main__":
    params, names, threads = snakemake.params, snakemake.wildcards, snakemake.threads
    prediction = Prediction.of(Layout(**params.layout), names.sample, names.model)
    marker, shares = snakemake.output.marker, prediction.stores["sr"].path
    with job(snakemake.log[0], threads, marker, shares=shares):
        build_pyramid(prediction, snakemake.input.parts, int(names.part), params.parts, threads)
