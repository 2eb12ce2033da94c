#!/bin/sh
# What a node knows of its network, for `homespan paths`: runs there as root, beside tailscaled.
# Arguments: tailnet host names of the other nodes. Every question is asked at once and bounded; its answer is a section
# `== TITLE`, and where it failed a line `! WHY`.
set -u

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
count=0

# All questions end by themselves well before this. On a slow processor, a virtual machine's say, starting their programs side
# by side takes seconds, and a question that was cut off then would pass for a peer that does not reply.
bound=15

# ask TITLE COMMAND...
ask() {
  count=$((count + 1))
  title=$1 answer=$folder/$count
  shift
  {
    # The answer before may end without a new line.
    printf '\n== %s\n' "$title"
    timeout "$bound" "$@" 2>"$answer.error" </dev/null || why "$?" "$answer.error"
  } >"$answer.section" &
}

# why CODE ERRORS: timeout's code is 124, BusyBox's that of the signal.
why() {
  case $1 in
    124 | 143) printf '\n! not answered within %s s\n' "$bound" ;;
    *) printf '\n! %s\n' "$(tail -n 1 "$2")" ;;
  esac
}

# address PEER: by the names that `tailscale ping` takes. One program for all: each start of tailscale's is felt on a slow machine.
timeout "$bound" tailscale status >"$folder/known" 2>/dev/null </dev/null
address() {
  while read -r known name _; do
    [ "$name" != "$1" ] || printf %s "$known"
  done <"$folder/known"
}

for peer in "$@"; do
  # The first ping wakes an idle pair and goes through a relay more often than not. Three without a reply end in time.
  ask "ping $peer" tailscale ping --until-direct=false -c 3 --timeout 1500ms "$peer"
  ask "route $peer" ip -o route get "$(address "$peer")"
done
ask link ip -o link show
ask address ip -4 -o addr show
# It gives itself five seconds, and reports what it has by then.
ask netcheck tailscale netcheck --format json
wait
# Last: the pings have found the ways it shows.
ask status tailscale status --json
# Below each direct way to an address that no router stands for: the machine itself, past the tunnel. One that answers no ping says
# nothing of the way.
timeout "$bound" tailscale status >"$folder/known" 2>/dev/null </dev/null
while read -r _ name _ _ way; do
  case " $* " in *" $name "*) ;; *) continue ;; esac
  case $way in *'direct '*) ;; *) continue ;; esac
  way=${way#*direct }
  way=${way%%,*}
  way=${way%:*}
  way=${way#[}
  way=${way%]}
  case $way in
    10.* | 192.168.* | 172.1[6-9].* | 172.2[0-9].* | 172.3[01].* | f[cd]*:* | fe80:*) ;;
    *) continue ;;
  esac
  ask "lan $name" ping -q -c 2 -W 1 "$way"
done <"$folder/known"
wait
cat "$folder"/*.section
