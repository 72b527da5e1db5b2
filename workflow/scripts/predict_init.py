"""Rule predict_init: create the empty SR store and deal its shards to the parts."""

from pssrflow.jobs import job
from pssrflow.predict import initialise

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.sr):
        initialise(
            lr=snakemake.params.lr,
            weights=snakemake.params.weights,
            sr=snakemake.params.sr,
            plan=snakemake.output.plan,
            markers=snakemake.params.markers,
            done=snakemake.params.done,
            tile=snakemake.params.tile,
            halo=snakemake.params.halo,
            parts=snakemake.params.parts,
            chunk=snakemake.params.chunk,
            shard=snakemake.params.shard,
        )
