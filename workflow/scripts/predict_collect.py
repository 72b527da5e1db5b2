"""Rule predict_collect: put the markers of all parts into one."""

from pssrflow.predict.assembly import collect
from pssrflow.predict.prediction import Prediction
from pssrflow.run.job import job
from pssrflow.run.layout import Layout

if __name__ == "__main__":
    params, names = snakemake.params, snakemake.wildcards
    prediction = Prediction.of(Layout(**params.layout), names.sample, names.model)
    with job(snakemake.log[0], snakemake.threads, snakemake.output.marker):
        collect(prediction, snakemake.input.parts)
