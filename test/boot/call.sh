#!/bin/sh
# call.sh LINE...: runs each line with the boot files sourced, as a carrier would.
set -eu
here=$(dirname "$0")/../../boot
# shellcheck source=/dev/null
for file in wait.sh stage.sh config.sh routes.sh sequence.sh; do
  . "$here/$file"
done
for line in "$@"; do
  eval "$line"
done
