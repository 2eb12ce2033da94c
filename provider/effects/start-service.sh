#!/bin/sh
# Starts Podman's API service and leaves it to init: the engine ends a provider together with all its descendants.
# Arguments: the socket's directory.
set -eu
directory=$1
umask 077
# That of the run goes away with it.
unset TMPDIR
podman system service --time=0 "unix://$directory/podman.sock" </dev/null >"$directory/service.log" 2>&1 &
echo "$!" >"$directory/service.pid"
