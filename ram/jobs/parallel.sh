#!/usr/bin/env bash
# The trials of a study by GNU parallel:
#
#   parallel.sh search.toml 40 [options of parallel, such as --jobs 4 or -S host1,host2]
#
# Hosts need to share this folder. What was interrupted goes on when it is run again.
set -euo pipefail

study=$1 trials=$2
shift 2
# Each task gets its number in PARALLEL_SEQ. What is stopped gets a minute to save.
seq "$trials" | parallel --will-cite --jobs 2 --workdir . --line-buffer --retries 3 --termseq TERM,60000,KILL,25 "$@" \
  -N0 "${RAM:-ram}" search run "$study" --threads "${THREADS:-1}" --json
