#!/bin/sh
# properties = {properties}
# How it ended, for status.sh; a job that is killed does not get so far.
trap 'code=$?; mkdir -p .snakemake/jobs; echo $code >".snakemake/jobs/${{JOB_ID:-$PBS_JOBID}}"' EXIT
{exec_job}
