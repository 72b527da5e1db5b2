"""Rule export_image: write a super-resolved volume as an OME-TIFF."""

from pssrflow.export.images import write_image
from pssrflow.run.job import job
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.image):
        write_image(Store(snakemake.params.store), snakemake.output.image, snakemake.threads)
