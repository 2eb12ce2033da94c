#!/bin/sh
# What a node knows of its network, for `homespan paths`: runs there as root, beside tailscaled.
# Arguments: tailnet host names of the other nodes. Every question is asked at once and bounded; its answer is a section
# `== TITLE`, and where it failed a line `! WHY`.
set -u

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
count=0

# ask TITLE SECONDS COMMAND...
ask() {
  count=$((count + 1))
  title=$1 seconds=$2 answer=$folder/$count
  shift 2
  {
    # The answer before may end without a new line.
    printf '\n== %s\n' "$title"
    timeout "$seconds" "$@" 2>"$answer.error" </dev/null || printf '\n! %s\n' "$(tail -n 1 "$answer.error")"
  } >"$answer.section" &
}

for peer in "$@"; do
  # The first ping wakes an idle pair and goes through a relay more often than not. Three without a reply end in time.
  ask "ping $peer" 5 tailscale ping --until-direct=false -c 3 --timeout 1500ms "$peer"
  # shellcheck disable=SC2016 # the inner shell expands them
  ask "route $peer" 5 sh -c 'ip -o route get "$(tailscale ip -4 "$1")"' sh "$peer"
done
ask link 5 ip -o link show
ask address 5 ip -4 -o addr show
# It gives itself five seconds, and reports what it has by then.
ask netcheck 6 tailscale netcheck --format json
wait
# Last: the pings have found the ways it shows.
ask status 5 tailscale status --json
wait
cat "$folder"/*.section
