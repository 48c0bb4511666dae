#!/bin/sh
# Serve MODEL, or what lies in /opt/ml/model, or HF_MODEL_ID; run any other command that is given.
set -eu
home=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=docker/environment.sh
. "$home/environment.sh"

if [ "${1:-serve}" != serve ]; then
    exec "$@"
fi
[ $# -eq 0 ] || shift

# The jars of DJL lie in the image; this record of where they are belongs into the cache, which may be a volume.
jars=${DJL_CACHE_DIR:-/tmp/.djl.ai}/djl_trtllm/jars
mkdir -p "$jars"
cp "$home"/jars/class-path-*.json "$jars"

unpacked=${MODEL_STORE:-/opt/ml/model}
if [ -n "${MODEL:-}" ]; then
    set -- "$MODEL" "$@"
elif [ -z "${HF_MODEL_ID:-}" ] || [ -n "$(ls -A "$unpacked" 2>/dev/null)" ]; then
    set -- "$unpacked" "$@"
fi
# SageMaker and Kubernetes kill 30 s after SIGTERM.
exec "$home/bin/djl-trtllm" serve --host 0.0.0.0 --port "${SAGEMAKER_BIND_TO_PORT:-8080}" --grace 15 "$@"
