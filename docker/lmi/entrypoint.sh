#!/bin/sh
# Comes before LMI's own entry script, which goes on with what it is given.
set -eu
# shellcheck source=docker/environment.sh
. /usr/local/lib/djl-trtllm/environment.sh
exec /usr/local/bin/dockerd-entrypoint.sh "$@"
