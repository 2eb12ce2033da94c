# shellcheck shell=sh
# Stand in for timeout, date, ip, curl and sleep. Sourced.

# Nothing here hangs.
timeout() {
  case $1 in
    '' | *[!0-9]*)
      echo "timeout: invalid time interval '$1'" >&2
      return 125
      ;;
  esac
  shift
  "$@"
}

# The time of day by the fake clock, in the only form the steward asks for: what date(1) itself makes of it, test/boot shows.
date() (
  [ "$*" = '-u +%Y-%m-%dT%H:%M:%S.%3NZ' ] || exit 1
  read -r now _ <"$FAKE/uptime"
  seconds=${now%.*}
  printf '2026-01-01T%02d:%02d:%02d.%s0Z' "$((seconds / 3600))" "$((seconds / 60 % 60))" "$((seconds % 60))" "${now#*.}"
)

# fake_has FILE PART: true when a line of FILE contains PART.
fake_has() {
  [ -r "$1" ] || return 1
  while read -r fake_line; do
    case $fake_line in
      *"$2"*) return 0 ;;
    esac
  done <"$1"
  return 1
}

# tailscale0 has its address once tailscaled runs and has logged in.
ip() (
  fake_has "$FAKE/proc/net/unix" tailscaled && fake_has "$DATA/tailscale/tailscaled.state" _current-profile || exit 1
  echo "4: tailscale0    inet 100.64.0.7/32 scope global tailscale0\       valid_lft forever preferred_lft forever"
)

# Servers listed in $FAKE/answering answer /ping, those in $FAKE/ready are ready to be joined; a kubelet answers as long as k3s runs.
curl() (
  printf 'curl %s\n' "$*" >>"$FAKE/log"
  for url in "$@"; do :; done
  host=${url#*://}
  host=${host%%[:/]*}
  case $url in
    *:10248/healthz)
      [ -s "$FAKE/proc/net/tcp" ] && [ ! -e "$FAKE/unhealthy" ] || exit 7
      printf ok
      ;;
    */ping)
      grep -qx "$host" "$FAKE/answering" || exit 7
      printf pong
      ;;
    */v1-k3s/readyz)
      cat >"$FAKE/curl-config"
      grep -qx "$host" "$FAKE/answering" || exit 7
      if grep -qx "$host" "$FAKE/ready"; then
        printf ok
      else
        printf '{"message":"runtime core not ready"}'
      fi
      ;;
  esac
)

# No time passes but that of the fake clock ($FAKE/uptime). What is due in $FAKE/events/<hundredths of a second> happens first; at
# $FAKE/end the steward, whose process $$ is, is told to stop. The bootstrapper's report is renewed when the steward took it away.
#   died CHILD | restarted CHILD | jump SECONDS | put FILE PATH | remove PATH | fake FILE | unfake FILE |
#   keep NAME (the stage file as it is)
sleep() (
  printf 'sleep %s\n' "$1" >>"$FAKE/log"
  read -r now _ <"$FAKE/uptime"
  part=${now#*.} more=${1#*.}
  total=$((${now%.*} * 100 + ${part#0} + ${1%.*} * 100 + ${more#0}))
  part=$((total % 100))
  [ "$part" -ge 10 ] || part=0$part
  echo "$((total / 100)).$part 0" >"$FAKE/uptime"
  for event in "$FAKE"/events/*; do
    [ -e "$event" ] || continue
    [ "${event##*/}" -le "$total" ] || continue
    read -r verb what where <"$event"
    rm "$event"
    printf 'event %s %s\n' "$verb" "$what" >>"$FAKE/log"
    case $verb in
      died) podman died "pod-$what" ;;
      restarted) podman start "pod-$what" ;;
      jump)
        total=$((total + what * 100))
        echo "$((total / 100)).00 0" >"$FAKE/uptime"
        ;;
      put) cp "$FAKE/$what" "$DATA/$where" ;;
      remove) rm -f "$DATA/$what" ;;
      fake) : >"$FAKE/$what" ;;
      unfake) rm -f "$FAKE/$what" ;;
      keep) cp "$DATA/steward/stage.json" "$FAKE/kept-$what" ;;
    esac
  done
  if [ -e "$FAKE/auto-ready" ] && [ ! -e "$DATA/steward/report/ready" ] && [ -s "$FAKE/proc/net/tcp" ] && [ -e "$FAKE/containers/pod-bootstrapper" ]; then
    printf 'STATE=ready\nAT=now\nDETAIL=\n' >"$DATA/steward/report/ready"
  fi
  read -r end <"$FAKE/end" || :
  [ "$total" -lt "$end" ] || kill -TERM "$$"
)
