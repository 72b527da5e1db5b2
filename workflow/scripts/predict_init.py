"""Rule predict_init: create the empty SR store and deal its blocks to the parts."""

from pssrflow.predict.plan import Request
from pssrflow.predict.prediction import Prediction
from pssrflow.predict.settings import Settings
from pssrflow.predict.stage import initialise
from pssrflow.run.job import job
from pssrflow.run.layout import Layout

if __name__ == "__main__":
    params, names = snakemake.params, snakemake.wildcards
    layout, python = Layout(**params.layout), list(params.python)
    prediction = Prediction.of(layout, names.sample, names.model, params.masked, python)
    # Of the settings only what decides pixels is a parameter.
    settings = Settings.parse(snakemake.config["predict"], "predict")
    sizes = params.parts, *params.sizes
    request = Request(settings, *sizes, params.roi, params.deciding)
    writes = prediction.stores["sr"].path
    with job(snakemake.log[0], snakemake.threads, writes, tensors=True):
        initialise(prediction, request, params.code)
