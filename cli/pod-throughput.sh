#!/bin/sh
# One end of a measurement between two pods, for `homespan paths --throughput`: runs in a pod that has a busybox.
#   receive PORT SECONDS        prints how many bytes one connection brought
#   send ADDRESS PORT SECONDS   sends zeros for that long; prints when it began and when the other end had them all
set -eu
busybox=/bin/busybox

case $1 in
receive)
  # At the end of its own input nc would end the connection. So there is none until this sleep, which nobody waits for, ends.
  ($busybox sleep "$3" 2>/dev/null &) | $busybox timeout "$3" $busybox nc -l -p "$2" | $busybox wc -c
  ;;
send)
  tries=0
  while :; do
    # In seconds since the machine started, with hundredths.
    read -r began _ </proc/uptime
    if $busybox timeout "$4" $busybox dd if=/dev/zero bs=65536 2>/dev/null | $busybox nc "$2" "$3" >/dev/null; then
      break
    fi
    # The other end may not listen yet.
    tries=$((tries + 1))
    [ "$tries" -lt 20 ] || exit 1
    $busybox sleep 0.1
  done
  read -r ended _ </proc/uptime
  echo "$began $ended"
  ;;
esac
