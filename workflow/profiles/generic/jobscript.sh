#!/bin/sh
# properties = {properties}
# How it ended, for status.sh, in the folder of the run; a job that is killed does not get so far.
jobs="${{SGE_O_WORKDIR:-$PBS_O_WORKDIR}}/.snakemake/jobs"
trap 'code=$?; mkdir -p "$jobs"; echo $code >"$jobs/${{JOB_ID:-$PBS_JOBID}}"' EXIT
{exec_job}
