"""Rule predict_collect: put the markers of all parts into one."""

from pssrflow.predict.assembly import collect
from pssrflow.run.job import job

if __name__ == "__main__":
    output = snakemake.output.marker
    with job(snakemake.log[0], snakemake.threads, output):
        collect(markers=snakemake.input.parts, marker=output)
