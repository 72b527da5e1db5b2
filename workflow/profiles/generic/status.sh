#!/bin/sh
# Says to Snakemake what became of a job of SGE or PBS: success, failed or running.
# Accounts (qacct) would know it too, but come late, and on many clusters not at all.

# Ctrl-C is meant for Snakemake; the plug-in breaks where nobody answers.
trap '' INT
mkdir -p .snakemake/jobs
ended=.snakemake/jobs/$1 list=.snakemake/jobs/list now=$(date +%s)

say() {
    rm -f "$ended" "$ended.gone"
    echo "$1"
    exit
}

# Both write number and state into the first and fifth column, PBS its server after the number.
state() {
    awk -v job="${1%%.*}" 'NR > 1 && $1 + 0 == job {print $5}' "$list" 2>/dev/null
}

# One list serves all jobs for ten seconds, but those that are not in it. No answer is no news: the
# scheduler may be starting anew.
read -r taken 2>/dev/null <"$list"
age=$((now - ${taken:-0}))
if [ $age -gt 10 ] || { [ $age -gt 2 ] && [ -z "$(state "$1")" ]; }; then
    { echo "$now" && qstat; } >"$list.new" 2>/dev/null || { echo running && exit; }
    mv "$list.new" "$list"
fi

# What is listed runs, whatever a file says: numbers come again where a cluster is set up anew.
case $(state "$1") in
E*qw) # A node could not start it, and it would wait for ever.
    qdel "$1" >/dev/null 2>&1
    say failed
    ;;
?*)
    rm -f "$ended.gone"
    echo running
    exit
    ;;
esac

# A file that is still empty is being written.
if read -r code <"$ended"; then
    [ "$code" = 0 ] && say success
    say failed
fi 2>/dev/null

# It ended; a network file system may take a minute to show how. An older mark is of another job.
read -r since 2>/dev/null <"$ended.gone"
gone=$((now - ${since:-0}))
[ $gone -gt 600 ] && echo "$now" >"$ended.gone"
[ $gone -gt 60 ] && [ $gone -le 600 ] && say failed
echo running
