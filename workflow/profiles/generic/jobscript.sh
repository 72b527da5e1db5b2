#!/bin/sh
# properties = {properties}
# How it ended, for status.sh, in the folder of the run; a job that is killed does not get so far.
ended="${{SGE_O_WORKDIR:-$PBS_O_WORKDIR}}/.snakemake/jobs/${{JOB_ID:-$PBS_JOBID}}"
mkdir -p "${{ended%/*}}"
# Numbers come again where a cluster is set up anew.
rm -f "$ended" "$ended.gone"
trap 'echo $? >"$ended"' EXIT
{exec_job}
