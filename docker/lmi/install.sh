#!/bin/sh
# Install the project into an LMI container: its package, its partition script in the place of LMI's, its entry script.
# ROOT is put before every path outside Python; PYTHON, PIP and PIP_OPTIONS say how packages are installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
root=${ROOT:-}
python=${PYTHON:-python3}
extras=${EXTRAS:-}

held=$(mktemp)
trap 'rm -f "$held"' EXIT
"$python" "$here/held.py" >"$held"
# shellcheck disable=SC2086
${PIP:-$python -m pip} install ${PIP_OPTIONS---no-cache-dir} --constraint "$held" "$project${extras:+[$extras]}"
"$python" "$here/held.py" --compare "$held"

install -D -m 644 "$here/trt_llm_partition.py" "$root/opt/djl/partition/trt_llm_partition.py"
install -D -m 644 "$project/docker/environment.sh" "$root/usr/local/lib/djl-trtllm/environment.sh"
install -D -m 755 "$here/entrypoint.sh" "$root/usr/local/bin/djl-trtllm-entrypoint"

# What DJL will do: import the package from wherever it is, run the script with its Python.
cd /
"$python" -c 'import djl_trtllm.service'
"$python" "$root/opt/djl/partition/trt_llm_partition.py" --help >/dev/null
