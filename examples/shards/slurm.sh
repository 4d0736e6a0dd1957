#!/bin/sh
# A comparison as a Slurm array: sbatch --array=0-9 examples/shards/slurm.sh; then
#   reweight merge results/shard-* --out results/all
# A task that was stopped goes on where it was when it is submitted again.
#SBATCH --job-name=reweight
#SBATCH --array=0-9
#SBATCH --cpus-per-task=2
#SBATCH --mem=1G
#SBATCH --time=00:30:00
set -eu
shards=${SLURM_ARRAY_TASK_COUNT:-10}
# OPTIONS may hold more options, the same for every task.
# shellcheck disable=SC2086
exec reweight compare unlearn --classes 0-9 --seeds 5 ${OPTIONS:-} \
    --shard "$SLURM_ARRAY_TASK_ID/$shards" --resume \
    --threads "${SLURM_CPUS_PER_TASK:-1}" --out "results/shard-$SLURM_ARRAY_TASK_ID"
