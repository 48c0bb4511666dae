#!/bin/sh
# Make an environment with the project and the jars of DJL in ROOT/opt/djl-trtllm; uv is fetched where it is not there.
# LOCK names a file in requirements/ without its ending.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
home=${ROOT:-}/opt/djl-trtllm
python=${PYTHON:-python3}

if ! command -v uv >/dev/null 2>&1; then
    "$python" -m venv /tmp/uv
    /tmp/uv/bin/pip install --quiet --no-cache-dir uv
    PATH=/tmp/uv/bin:$PATH
fi

packages=$(mktemp)
trap 'rm -f "$packages"' EXIT
cp "$project/requirements/${LOCK:-cpu-compile}.lock" "$packages"
if [ -n "${TORCH_INDEX:-}" ]; then
    # PyTorch for CPUs needs none of CUDA's libraries.
    sed -i '/^nvidia-/d; /^cuda-/d' "$packages"
    export UV_INDEX="$TORCH_INDEX" UV_INDEX_STRATEGY=unsafe-best-match
fi

uv venv --quiet --allow-existing --python "$python" "$home"
export VIRTUAL_ENV="$home"
uv pip install --quiet ${COMPILE_BYTECODE:+--compile-bytecode} --no-deps --requirement "$packages"
uv pip install --quiet ${COMPILE_BYTECODE:+--compile-bytecode} --no-deps "$project"

mkdir -p "$home/jars" "$home-cache"
"$home/bin/python" - "$home/jars" <<'EOT'
import sys
from pathlib import Path

from djl_trtllm.local import jars

jars.class_path(jars.DEFAULT_VERSION, Path(sys.argv[1]), print)
EOT

install -m 644 "$project/docker/environment.sh" "$home/environment.sh"
install -m 755 "$here/entrypoint.sh" "$home/entrypoint.sh"
"$home/bin/djl-trtllm" --version
