"""Rule predict_finalise: verify every shard and build the pyramid."""

from pssrflow.predict.assembly import finalise
from pssrflow.predict.prediction import Prediction
from pssrflow.run.job import job
from pssrflow.run.layout import Layout

if __name__ == "__main__":
    params, names, threads = snakemake.params, snakemake.wildcards, snakemake.threads
    prediction = Prediction.of(Layout(**params.layout), names.sample, names.model)
    with job(snakemake.log[0], threads, prediction.stores["sr"].path):
        finalise(prediction, snakemake.input.parts, snakemake.input.pyramid, threads)
