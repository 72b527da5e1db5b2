"""Rule predict_volume: super-resolve a volume, or put together what the jobs made that share it."""

from pssrflow.predict.assembly import finalise
from pssrflow.predict.plan import Request
from pssrflow.predict.prediction import Prediction
from pssrflow.predict.settings import Settings
from pssrflow.predict.stage import initialise, run_part
from pssrflow.run.job import job
from pssrflow.run.layout import Layout

if __name__ == "__main__":
    params, given, names = snakemake.params, snakemake.input, snakemake.wildcards
    layout, python = Layout(**params.layout), list(params.python)
    prediction = Prediction.of(layout, names.sample, names.model, params.masked, python)
    threads, parts = snakemake.threads, given.parts
    with job(snakemake.log[0], threads, prediction.stores["sr"].path, tensors=not parts):
        if not parts:
            # Of the settings only what decides pixels is a parameter.
            settings = Settings.parse(snakemake.config["predict"], "predict")
            request = Request(settings, 1, *params.sizes, params.roi, params.deciding)
            initialise(prediction, request, params.code)
            run_part(prediction, 0, threads, params.precision, params.code)
            parts = [prediction.marker(0)]
        finalise(prediction, parts, given.pyramid, threads)
