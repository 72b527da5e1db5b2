"""Rule predict_part: super-resolve the blocks of one part."""

from pssrflow.predict.prediction import Prediction
from pssrflow.predict.stage import run_part
from pssrflow.run.job import job
from pssrflow.run.layout import Layout

if __name__ == "__main__":
    params, names = snakemake.params, snakemake.wildcards
    layout, python = Layout(**params.layout), list(params.python)
    prediction = Prediction.of(layout, names.sample, names.model, params.masked, python)
    marker, shares = snakemake.output.marker, prediction.stores["sr"].path
    with job(snakemake.log[0], snakemake.threads, marker, shares=shares, tensors=True):
        run_part(prediction, int(names.part), snakemake.threads, params.precision, params.code)
