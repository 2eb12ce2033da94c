#!/bin/sh
# Starts a tailscaled without privileges and leaves it to init: the engine ends a provider together with all its descendants.
# Arguments: the operator's directory, the port of its proxy on 127.0.0.1.
set -eu
directory=$1
port=$2
umask 077
: >"$directory/operator.log"
command -v tailscaled >/dev/null || {
  echo 'tailscaled must be installed, found no such program' >"$directory/operator.log"
  exit 127
}
# Appending, so that the log can be emptied while it is written.
tailscaled --tun=userspace-networking --statedir="$directory" --socket="$directory/tailscaled.sock" --port=0 \
  --outbound-http-proxy-listen="127.0.0.1:$port" </dev/null >>"$directory/operator.log" 2>&1 &
echo "$!" >"$directory/operator.pid"
