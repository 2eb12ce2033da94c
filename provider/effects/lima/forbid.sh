#!/bin/sh
# Lets a key in no longer. Argument: the key.
set -eu
umask 077
file=$HOME/.ssh/authorized_keys
[ -e "$file" ] || exit 0
grep -vxF -- "$1" "$file" >"$file.homespan" || [ $? -eq 1 ]
# The file itself stays, with its owner and mode.
cat "$file.homespan" >"$file"
rm -f "$file.homespan"
