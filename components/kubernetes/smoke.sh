#!/bin/sh
# The smoke pod: serves the name of its node at /. NODE_NAME and PORT come from the pod's specification.
set -eu
echo "$NODE_NAME" >/www/index.html
exec /bin/busybox httpd -f -p "$PORT" -h /www
