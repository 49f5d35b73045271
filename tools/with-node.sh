#!/bin/sh
# Runs a script of this repository on Node 24 or later, setting up what is missing first.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/tools/setup.sh"
setup_node
setup_packages
exec "$NODE" --disable-warning=ExperimentalWarning "$@"
