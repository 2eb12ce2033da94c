# shellcheck shell=sh disable=SC2034 # variables are read by the boot files
# The boot sequence's driver for Podman: every concern is a container beside the steward, in the same pod.
# Children are made and watched through the machine's Podman service. Sourced after boot/*.sh; needs BOOT_DATA, POD and VOLUME.

DRIVER_ARGS=$BOOT_DATA/steward/children
DRIVER_CALL_SECONDS=${DRIVER_CALL_SECONDS:-60}
# A first create may pull an image.
DRIVER_PULL_SECONDS=900
DRIVER_STOP_SECONDS=30

driver_podman() {
  timeout "$DRIVER_CALL_SECONDS" podman --remote "$@"
}

# driver_try WHAT COMMAND...: runs COMMAND; on failure BOOT_ERROR is WHAT with what the command said.
driver_try() {
  driver_looked=
  driver_what=$1
  shift
  driver_said=$("$@" 2>&1 </dev/null) && return 0
  BOOT_ERROR="$driver_what: $driver_said"
  return 1
}

# The volume's directory on the machine that runs Podman: bind mounts of children name it.
driver_find_data() {
  [ -z "${DRIVER_DATA:-}" ] || return 0
  DRIVER_DATA=$(driver_podman volume inspect --format '{{.Mountpoint}}' "$VOLUME" 2>&1) && return 0
  BOOT_ERROR="Podman does not tell where volume $VOLUME is: $DRIVER_DATA"
  DRIVER_DATA=
  return 1
}

# driver_render CHILD: the child's arguments without placeholders in DRIVER_LINES, their checksum in DRIVER_HASH. No file: what makes a
# container in the background has its own, whatever is rendered meanwhile.
driver_render() {
  driver_find_data || return 1
  [ -s "$DRIVER_ARGS/$1.args" ] || {
    BOOT_ERROR="steward/children/$1.args is missing"
    return 1
  }
  driver_escaped=$(printf '%s' "$DRIVER_DATA" | sed 's/[\\&|]/\\&/g')
  DRIVER_LINES=$(sed -e '/^$/d' -e "s|@POD@|$POD|g" -e "s|@DATA@|$driver_escaped|g" "$DRIVER_ARGS/$1.args")
  DRIVER_HASH=$(printf '%s\n' "$DRIVER_LINES" | sha256sum)
  DRIVER_HASH=${DRIVER_HASH%% *}
}

# driver_make VERB CHILD, after driver_render: `podman create` or `podman run --detach`, taking the place of any container of that name.
# An image's own VOLUME lines would cover the node's data directories with empty ones.
driver_make() {
  driver_verb=$1
  driver_child=$2
  set -- "$driver_verb"
  [ "$driver_verb" = create ] || set -- "$@" --detach
  set -- "$@" --replace --name="$POD-$driver_child" --label="homespan.args=$DRIVER_HASH" --image-volume=ignore
  while IFS= read -r driver_line; do
    set -- "$@" "$driver_line"
  done <<EOT
$DRIVER_LINES
EOT
  driver_try "podman $driver_verb $POD-$driver_child" timeout "$DRIVER_PULL_SECONDS" podman --remote "$@"
}

# One call for all children: driver_<child>_seen is "<state> <exit code> <args hash> <start time>", empty for none. What was seen
# less than a second ago still counts, unless something was done since. `.State` alone would be a phrase ("Up 2 minutes ago").
driver_look() {
  boot_now
  [ -z "${driver_looked:-}" ] || [ "$BOOT_NOW" -ge $((driver_looked + 100)) ] || return 0
  driver_looked=
  driver_tailscale_seen='' driver_k3s_seen='' driver_bootstrapper_seen=''
  driver_list=$(driver_podman ps --all --filter "pod=$POD" \
    --format '{{.Names}} {{.ListContainer.State}} {{.ExitCode}} {{index .Labels "homespan.args"}} {{.ListContainer.StartedAt}}' 2>&1) || {
    BOOT_ERROR="the Podman service does not answer: $driver_list"
    return 1
  }
  driver_looked=$BOOT_NOW
  while read -r driver_name driver_rest; do
    case $driver_name in
      "$POD-tailscale") driver_tailscale_seen=$driver_rest ;;
      "$POD-k3s") driver_k3s_seen=$driver_rest ;;
      "$POD-bootstrapper") driver_bootstrapper_seen=$driver_rest ;;
    esac
  done <<EOT
$driver_list
EOT
}

# driver_seen CHILD: what the last driver_look saw, in DRIVER_STATE, DRIVER_CODE, DRIVER_SEEN_HASH and DRIVER_STARTED.
driver_seen() {
  eval "driver_seen_now=\$driver_$1_seen"
  # shellcheck disable=SC2154 # set by eval
  read -r DRIVER_STATE DRIVER_CODE DRIVER_SEEN_HASH DRIVER_STARTED <<EOT
$driver_seen_now
EOT
  [ "$DRIVER_STATE" = running ]
}

driver_alive() {
  driver_look || return 1
  driver_seen "$1" && return 0
  case ${DRIVER_STATE:-none} in
    exited | stopped)
      driver_log=$(driver_podman logs --tail 3 "$POD-$1" 2>&1) || driver_log=
      BOOT_ERROR="$1 ended with exit code $DRIVER_CODE: $driver_log"
      ;;
    *) BOOT_ERROR="$1 does not run (container state: ${DRIVER_STATE:-none})" ;;
  esac
  return 1
}

# driver_start CHILD: as it is if it runs with the right arguments, else started, else made anew.
driver_start() {
  driver_render "$1" || return 1
  if driver_prepared "$1"; then
    driver_try "podman start $POD-$1" driver_podman start "$POD-$1"
    return
  fi
  driver_look || return 1
  driver_seen "$1" && [ "$DRIVER_SEEN_HASH" = "$DRIVER_HASH" ] && return 0
  if [ "$DRIVER_SEEN_HASH" = "$DRIVER_HASH" ]; then
    driver_try "podman start $POD-$1" driver_podman start "$POD-$1"
  else
    driver_make run "$1"
  fi
}

# The containers of tailscale and k3s are made while the key is on its way; they are only started later.
driver_prepare() {
  for driver_child in tailscale k3s; do
    driver_prepare_child "$driver_child"
  done
}

# k3s's data directories must exist before they are mounted.
driver_prepare_child() {
  eval "driver_preparing_$1="
  driver_render "$1" || return 0
  driver_look || return 0
  driver_seen "$1" || true
  [ "$DRIVER_SEEN_HASH" != "$DRIVER_HASH" ] || return 0
  driver_make create "$1" >/dev/null 2>&1 &
  eval "driver_preparing_$1=\$! driver_preparing_hash_$1=\$DRIVER_HASH"
}

# driver_prepared CHILD, after driver_render: waits for the container that is being made; true when it has just been made with these
# arguments, so that nobody needs to look.
driver_prepared() {
  eval "driver_pending=\${driver_preparing_$1:-} driver_pending_hash=\${driver_preparing_hash_$1:-}"
  [ -n "$driver_pending" ] || return 1
  eval "driver_preparing_$1="
  driver_looked=
  # shellcheck disable=SC2154 # set by eval
  wait "$driver_pending" && [ "$driver_pending_hash" = "$DRIVER_HASH" ]
}

driver_start_tailscale() {
  driver_start tailscale
}

# The pod shares its network namespace, so tailscaled's socket is seen here without asking Podman.
driver_tailscale_answers() {
  grep -q '/tailscaled\.sock$' "${DRIVER_PROC:-/proc}/net/unix" && return 0
  BOOT_ERROR="tailscaled has no socket yet"
  return 1
}

driver_tailscale() {
  timeout "$DRIVER_PULL_SECONDS" podman --remote exec --interactive "$POD-tailscale" tailscale "$@"
}

driver_stop_tailscale() {
  driver_try "podman stop $POD-tailscale" driver_podman stop --ignore --time=5 "$POD-tailscale"
}

driver_tailscale_started() {
  driver_look || return 1
  driver_seen tailscale
}

# That the container could be made says that the image is there.
driver_check_artifacts() {
  driver_render k3s || return 1
  driver_prepared k3s && return 0
  driver_look || return 1
  driver_seen k3s || true
  [ "$DRIVER_SEEN_HASH" = "$DRIVER_HASH" ] || driver_make create k3s
}

# Servers in containers are made anew instead: their snapshots are on the volumes that would have been lost.
driver_restore() {
  [ -s "$BOOT_DATA/restore.conf" ] || return 0
  BOOT_ERROR='restore.conf is for machines: this carrier restores nothing'
  return 1
}

driver_start_k3s() {
  driver_start k3s
}

driver_stop_k3s() {
  driver_try "podman stop $POD-k3s" driver_podman stop --ignore --time="$DRIVER_STOP_SECONDS" "$POD-k3s"
}

driver_restart_k3s() {
  driver_stop_k3s && driver_start k3s
}

driver_start_bootstrapper() {
  driver_start bootstrapper
}

driver_stop_rest() {
  driver_try "podman stop" driver_podman stop --ignore --time=5 "$POD-bootstrapper" "$POD-tailscale"
}

# Which tailscaled and which kubelet listen, by the inodes of their sockets: changes when one of them ends or starts again, and
# costs no call to Podman. 2808 is port 10248.
driver_pulse() {
  DRIVER_PULSE=$(awk '/\/tailscaled\.sock$/ { all = all " " $7 } $2 ~ /:2808$/ && $4 == "0A" { all = all " " $10 } END { print all }' \
    "${DRIVER_PROC:-/proc}/net/unix" "${DRIVER_PROC:-/proc}/net/tcp" 2>/dev/null)
}
