#!/usr/bin/env bash
# The trials of a study as a Slurm array:
#
#   sbatch --array=1-40 slurm.sh search.toml [more options of `ram search run`]
#
# A minute before the time limit the trial saves and is put into the queue again, where it goes on.
#SBATCH --job-name=ram-search
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@60
#SBATCH --open-mode=append
#SBATCH --output=ram-search-%A_%a.log
set -uo pipefail

again= signalled=
# The time is nearly up.
trap 'signalled=yes again=yes; kill -USR1 "$ram"' USR1
# Cancelled, which is not to come back, or preempted, which Slurm puts into the queue by itself.
trap 'signalled=yes; kill -TERM "$ram"' TERM

"${RAM:-ram}" search run "$@" --threads "${SLURM_CPUS_PER_TASK:-1}" &
ram=$!
wait "$ram"
code=$?
# A signal ends `wait` before the trial has saved.
while [[ $signalled ]]; do
  signalled=
  wait "$ram"
  code=$?
done

if [[ $again && $code == 75 ]]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
