#!/bin/sh
# Makes a disk and leaves beside it whose it is: Lima removes both together. Prints its directory. Arguments: name, size, mark.
set -eu
limactl disk create "$1" --size "$2" --format raw >&2
directory=$(limactl disk list --json "$1" | sed -n 's/.*"dir":"\([^"]*\)".*/\1/p')
[ -d "$directory" ] || {
  echo "level=fatal msg=\"no directory of disk $1 is known\"" >&2
  exit 1
}
printf '%s\n' "$3" >"$directory/homespan.id.new"
mv "$directory/homespan.id.new" "$directory/homespan.id"
printf '%s\n' "$directory"
