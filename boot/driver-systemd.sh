# shellcheck shell=sh disable=SC2034 # variables are read by the boot files
# The boot sequence's driver for a machine with systemd: every concern is a unit. Sourced after the other boot files,
# machine/artifacts.sh and machine/kernel.sh; needs BOOT_DATA, MACHINE_LIB and MACHINE_RUN.

DRIVER_CALL_SECONDS=60
# Longer than `tailscale up` waits by itself.
DRIVER_LOGIN_SECONDS=120
DRIVER_JOIN_SECONDS=120

# driver_try WHAT COMMAND...: runs COMMAND; on failure BOOT_ERROR is WHAT with what the command said.
driver_try() {
  driver_what=$1
  shift
  driver_said=$("$@" 2>&1 </dev/null) && return 0
  BOOT_ERROR="$driver_what: $driver_said"
  return 1
}

# driver_unit NAME: DRIVER_UNIT is the unit of `tailscale`, `k3s` or `bootstrapper`.
driver_unit() {
  case $1 in
    tailscale) DRIVER_UNIT=tailscaled.service ;;
    k3s) DRIVER_UNIT=k3s.service ;;
    *) DRIVER_UNIT=homespan-$1.service ;;
  esac
}

# driver_systemctl VERB NAME: `start` leaves a unit alone that runs already.
driver_systemctl() {
  driver_unit "$2"
  driver_try "systemctl $1 $DRIVER_UNIT" systemctl "$1" "$DRIVER_UNIT"
}

driver_alive() {
  driver_unit "$1"
  driver_shown=$(systemctl show --property=ActiveState --property=SubState --property=ExecMainStatus "$DRIVER_UNIT" 2>&1)
  case $driver_shown in
    *ActiveState=active*) return 0 ;;
    *SubState=dead*) BOOT_ERROR="$1 does not run" ;;
    *)
      driver_code=${driver_shown##*ExecMainStatus=}
      driver_log=$(journalctl --unit="$DRIVER_UNIT" --lines=3 --output=cat --no-pager 2>&1) || driver_log=
      BOOT_ERROR="$1 ended with exit code ${driver_code%%[!0-9]*}: $driver_log"
      ;;
  esac
  return 1
}

# driver_link PATH NAME...: units and scripts find programs in $MACHINE_LIB/bin, wherever artifacts.conf puts them.
driver_link() {
  driver_path=$1
  shift
  mkdir -p "$MACHINE_LIB/bin"
  for driver_name in "$@"; do
    [ "$(readlink "$MACHINE_LIB/bin/$driver_name")" = "$driver_path" ] || ln -sfn "$driver_path" "$MACHINE_LIB/bin/$driver_name"
  done
}

# tailscaled takes no CA as an option: with this variable it reads the file in place of the machine's own CAs, once. The sum makes
# another CA a change. In a tailnet of one's own it sends no logs to Tailscale, where nobody would read them, as those of the stewards.
driver_tailscale_environment() {
  driver_environment=
  [ -z "${LOGIN_SERVER:-}" ] || driver_environment=TS_NO_LOGS_NO_SUPPORT=true
  if [ -s "$BOOT_DATA/boot/ca.pem" ]; then
    driver_sum=$(sha256sum <"$BOOT_DATA/boot/ca.pem")
    driver_environment="$driver_environment
# ${driver_sum%% *}
SSL_CERT_FILE=$BOOT_DATA/boot/ca.pem"
  fi
  boot_replace "$BOOT_DATA/boot/tailscaled.env" <<EOT
$driver_environment
EOT
}

# A tailscaled that must change is restarted; systemd then runs this sequence again from its beginning (homespan-boot.service).
driver_start_tailscale() {
  artifact_ensure TAILSCALE || return 1
  driver_link "$ARTIFACT_PATH/tailscale" tailscale
  driver_link "$ARTIFACT_PATH/tailscaled" tailscaled
  driver_tailscale_environment || {
    BOOT_ERROR="cannot write $BOOT_DATA/boot/tailscaled.env"
    return 1
  }
  if [ "$ARTIFACT_INSTALLED$BOOT_REPLACED" != nono ] && driver_alive tailscale; then
    driver_systemctl restart tailscale
  else
    driver_systemctl start tailscale
  fi
}

# Ends this run of tailscaled. A stop would end the sequence as well (PartOf in homespan-boot.service), and nobody would start either
# again; after a restart systemd runs the sequence from its beginning.
driver_stop_tailscale() {
  driver_systemctl restart tailscale
}

driver_tailscale_answers() {
  grep -q '/tailscaled\.sock$' "${DRIVER_PROC:-/proc}/net/unix" && return 0
  BOOT_ERROR="tailscaled has no socket yet"
  return 1
}

# The lock keeps a change of the node's files from interrupting a login, whose key can be spent only once (machine/again).
driver_tailscale() {
  if [ "$1" = up ]; then
    flock "$MACHINE_RUN/login.lock" timeout "$DRIVER_LOGIN_SECONDS" tailscale "$@"
  else
    timeout "$DRIVER_CALL_SECONDS" tailscale "$@"
  fi
}

# Beside the run of tailscaled, k3s must be restarted for another k3s.
driver_tailscale_started() {
  driver_invocation=$(systemctl show --property=InvocationID --value tailscaled.service) || return 1
  artifact_read K3S || return 1
  DRIVER_STARTED=$driver_invocation
  DRIVER_PROGRAM=.$ARTIFACT_SUM
}

# Before this sequence machine/boot has begun to download what it needs.
driver_prepare() {
  :
}

# Which k3s may be the join layer's choice, so its name may come later than this stage.
driver_check_artifacts() {
  boot_until "$DRIVER_JOIN_SECONDS" "$BOOT_CAP_LOCAL" artifact_read K3S || return 1
  artifact_ensure K3S || return 1
  driver_link "$ARTIFACT_PATH" k3s kubectl
}

# driver_saw FILE [join]: FILE, of machine/again, is what there is now. A delivery under way is let finish: then it is part of it. Not
# so before there is a join layer: what is under way then is its first delivery, which is read later, or asks for another beginning.
driver_saw() {
  if [ -e "$BOOT_DATA/join.conf" ]; then
    flock --timeout 60 "$MACHINE_RUN/delivery.lock" "$MACHINE_LIB/machine/seen" "${2:-}"
  else
    "$MACHINE_LIB/machine/seen" "${2:-}"
  fi >"$MACHINE_RUN/$1.new" || echo unknown >"$MACHINE_RUN/$1.new"
  mv -f "$MACHINE_RUN/$1.new" "$MACHINE_RUN/$1"
}

# The join layer is read from here on.
driver_restore() {
  driver_saw joined join
  restore_node
}

driver_start_k3s() {
  kernel_settle && driver_systemctl start k3s
}

driver_restart_k3s() {
  kernel_settle && driver_systemctl restart k3s
}

driver_start_bootstrapper() {
  driver_systemctl start bootstrapper
}
