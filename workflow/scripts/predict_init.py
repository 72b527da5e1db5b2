"""Rule predict_init: create the empty SR store and deal its blocks to the parts."""

from pssrflow.predict.stage import initialise
from pssrflow.run.job import job

if __name__ == "__main__":
    params = snakemake.params
    with job(snakemake.log[0], snakemake.threads, params.sr, tensors=True):
        initialise(
            lr=params.lr,
            weights=params.weights,
            sr=params.sr,
            std=params.std,
            mask=params.mask,
            roi=params.roi,
            plan=snakemake.output.plan,
            markers=params.markers,
            done=params.done,
            parts=params.parts,
            chunk=params.chunk,
            shard=params.shard,
            settings=params.settings,
        )
