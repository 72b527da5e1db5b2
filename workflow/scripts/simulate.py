"""Rule simulate_acquisition: write a raw acquisition of simulated tissue."""

from pssrflow.run.job import job
from pssrflow.simulate.settings import Acquisition
from pssrflow.simulate.stage import simulate

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.path):
        simulate(
            path=snakemake.params.path,
            done=snakemake.output.done,
            seed=snakemake.params.seed,
            acquisition=Acquisition(**snakemake.params.settings),
        )
