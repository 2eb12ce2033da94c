# shellcheck shell=sh
# Stands in for Podman's client. Sourced. State is in $FAKE: containers/<name> holds "<state> <exit code> <args hash> <start number>",
# log every call. $FAKE/fail/<verb> makes that verb fail with the file's text; a name ending in `.once` does so once.

podman() (
  [ "$1" = --remote ] && shift
  printf 'podman %s\n' "$*" >>"$FAKE/log"
  verb=$1
  shift
  for trouble in "$FAKE/fail/$verb" "$FAKE/fail/all" "$FAKE/fail/$verb.once"; do
    [ -e "$trouble" ] || continue
    [ "$verb" != died ] || continue
    cat "$trouble" >&2
    case $trouble in *.once) rm "$trouble" ;; esac
    exit 125
  done
  case $verb in
    volume) echo "/machine/volumes/data" ;;
    ps)
      for file in "$FAKE"/containers/*; do
        [ -e "$file" ] || continue
        read -r state <"$file"
        echo "${file##*/} $state"
      done
      ;;
    create | run)
      name='' hash=''
      for argument in "$@"; do
        case $argument in
          --name=*) name=${argument#*=} ;;
          --label=homespan.args=*) hash=${argument##*=} ;;
        esac
      done
      echo "created 0 $hash 0" >"$FAKE/containers/$name"
      [ "$verb" = create ] || fake_run "$name"
      ;;
    start)
      for name in "$@"; do :; done
      fake_run "$name"
      ;;
    stop)
      for name in "$@"; do
        [ -e "$FAKE/containers/$name" ] || continue
        read -r _ _ hash number <"$FAKE/containers/$name"
        echo "exited 0 $hash $number" >"$FAKE/containers/$name"
      done
      fake_publish
      ;;
    exec) fake_tailscale " $* " ;;
    logs) echo "last words" ;;
    died)
      # Not a verb of Podman: a test's way to end a container.
      read -r _ _ hash number <"$FAKE/containers/$1"
      echo "exited 137 $hash $number" >"$FAKE/containers/$1"
      fake_publish
      ;;
    *)
      echo "unexpected: podman $verb $*" >&2
      exit 125
      ;;
  esac
)

# fake_run NAME: a container that was made runs, or ends at once.
fake_run() {
  read -r _ _ hash _ <"$FAKE/containers/$1" || {
    echo "no such container: $1" >&2
    exit 125
  }
  read -r number <"$FAKE/number"
  number=$((number + 1))
  echo "$number" >"$FAKE/number"
  if [ -e "$FAKE/dies/$1" ]; then
    echo "exited 1 $hash $number" >"$FAKE/containers/$1"
  else
    echo "running 0 $hash $number" >"$FAKE/containers/$1"
  fi
  case $1 in
    *-bootstrapper) [ ! -e "$FAKE/auto-ready" ] || printf 'STATE=ready\nAT=now\nDETAIL=\n' >"$DATA/steward/report/ready" ;;
  esac
  fake_publish
}

# The sockets that the pod's network namespace would show.
fake_publish() {
  : >"$FAKE/proc/net/unix"
  : >"$FAKE/proc/net/tcp"
  for file in "$FAKE"/containers/*-tailscale "$FAKE"/containers/*-k3s; do
    [ -e "$file" ] || continue
    read -r state _ _ number <"$file"
    [ "$state" = running ] || continue
    case $file in
      *-tailscale) echo "0000: 00000002 00000000 00010000 0001 01 10$number /var/run/tailscale/tailscaled.sock" >>"$FAKE/proc/net/unix" ;;
      *-k3s) echo "   0: 0100007F:2808 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20$number 1" >>"$FAKE/proc/net/tcp" ;;
    esac
  done
}

# fake_tailscale " ARGUMENTS "
fake_tailscale() {
  case $1 in
    *" tailscale up "*)
      cat >"$FAKE/key-seen"
      [ ! -e "$FAKE/login-refused" ] || {
        echo "backend error: invalid key $(cat "$FAKE/key-seen")" >&2
        exit 1
      }
      echo '{"_current-profile":"cHJvZmlsZQ=="}' >"$DATA/tailscale/tailscaled.state"
      ;;
    *" status --json "*)
      backend=Running
      [ ! -e "$FAKE/backend" ] || read -r backend <"$FAKE/backend" || :
      printf '{\n  "BackendState": "%s"\n}\n' "$backend"
      ;;
    *) echo "Logged out." ;;
  esac
}
