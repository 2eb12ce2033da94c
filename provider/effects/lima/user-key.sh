#!/bin/sh
# Sees that Lima has the key by which it enters virtual machines. Lima makes it with the first one, and of several that are made
# at once all but one fail: its lock does not cover the look (pkg/sshutil of github.com/lima-vm/lima). Any number at once, also
# where one was killed, agree on one pair here.
set -eu
umask 077
directory=${LIMA_HOME:-$HOME/.lima}/_config
[ ! -s "$directory/user" ] || [ ! -s "$directory/user.pub" ] || exit 0
mkdir -p "$directory"
draft=$(mktemp -d "$directory/.homespan.XXXXXX")
trap 'rm -rf "$draft"' EXIT
if [ ! -e "$directory/user" ]; then
  ssh-keygen -q -t ed25519 -N '' -C lima -f "$draft/user"
  # Of several the first one's is taken.
  ln "$draft/user" "$directory/user" 2>/dev/null || [ -e "$directory/user" ]
fi
ssh-keygen -y -f "$directory/user" >"$draft/public"
mv "$draft/public" "$directory/user.pub"
