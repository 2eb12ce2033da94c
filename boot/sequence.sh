# shellcheck shell=sh disable=SC2034 # variables are read by the other boot files
# The boot sequence: tailnet -> address -> artifacts -> config -> k3s -> ready. One source for every carrier.
# Sourced after wait.sh, stage.sh, config.sh and routes.sh by a carrier that sets BOOT_DATA, NODE, TAILNET_HOSTNAME and LOGIN_SERVER and provides
#
#   driver_start_tailscale     starts tailscaled unless it runs
#   driver_stop_tailscale      ends this run of tailscaled; the next one may have begun
#   driver_tailscale_answers   true when tailscaled's socket is there; cheap
#   driver_tailscale ARG...    the tailscale command; standard input is passed on
#   driver_tailscale_started   DRIVER_STARTED identifies this run of tailscaled (a start time), DRIVER_PROGRAM the k3s there is, if that may change
#   driver_prepare             optional early work that may go on in the background, also before there is a key; must not fail
#   driver_check_artifacts     k3s is present in the pinned version
#   driver_restore             carries out an order to restore the cluster from a snapshot, if there is one
#   driver_start_k3s           starts k3s unless it runs
#   driver_restart_k3s         stops and starts it
#   driver_alive NAME          true when `tailscale`, `k3s` or `bootstrapper` runs
#   driver_start_bootstrapper  starts the one that reports readiness
#
# Each returns non-zero with its last error in BOOT_ERROR. boot_run returns 0 once k3s runs and its readiness is being reported.

# Bounds in seconds after which a stage counts as failed (and is tried again), caps of the backoff in hundredths of a second.
BOOT_BOUND_KEY=300
BOOT_BOUND_SOCKET=30
BOOT_BOUND_LOGIN=60
BOOT_BOUND_ADDRESS=30
BOOT_BOUND_CONFIG=120
BOOT_BOUND_JOIN=300
BOOT_BOUND_K3S=120
BOOT_CAP_KEY=20
BOOT_CAP_LOCAL=50
BOOT_CAP_REMOTE=200
BOOT_CAP_RETRY=3000

# boot_stage NAME: runs boot_NAME until it succeeds (0), or tailscaled was lost meanwhile and all must start over (1).
# A carrier that wants to leave in between does so from a trap.
boot_stage() {
  boot_retry_delay=100
  while :; do
    BOOT_ERROR=
    stage_begin "$1"
    if "boot_$1"; then
      stage_done "$1"
      return 0
    fi
    boot_redact "$BOOT_ERROR"
    stage_fail "$1" "${BOOT_REDACTED:-no reason given}"
    boot_sleep "$boot_retry_delay"
    boot_retry_delay=$((boot_retry_delay * 2))
    [ "$boot_retry_delay" -le "$BOOT_CAP_RETRY" ] || boot_retry_delay=$BOOT_CAP_RETRY
    [ "$1" = tailnet ] || boot_tailnet_stands || return 1
  done
}

# The login used up the key, so one that is there now came later: for a machine whose device was removed from the tailnet. tailscaled
# does not hear of that and calls itself Running (https://github.com/juanfont/headscale/issues/3410); one that starts has to ask.
boot_new_key() {
  [ -s "$BOOT_DATA/secrets/authkey" ] || return 1
  boot_log "a new key for the tailnet has come"
  driver_stop_tailscale && return 0
  boot_log "$BOOT_ERROR"
  return 1
}

boot_tailnet_stands() {
  ! boot_new_key && driver_alive tailscale
}

boot_run() {
  until boot_stage tailnet && boot_stage address && boot_stage artifacts && boot_stage config && boot_stage_k3s; do
    boot_log "tailscaled was lost on the way, starting over"
  done
}

boot_stage_k3s() {
  if [ -e "$BOOT_DATA/steward/k3s.stopped" ]; then
    stage_pause k3s "stopped on purpose; k3s-start starts it"
    return 0
  fi
  boot_stage k3s
}

# CoreDNS must not inherit MagicDNS: k3s gets the resolv.conf from before the first login (never one that tailscaled wrote).
boot_save_resolv_conf() {
  boot_resolv=${BOOT_RESOLV_CONF:-/etc/resolv.conf}
  boot_saved=$BOOT_DATA/etc/resolv.conf.upstream
  mkdir -p "$BOOT_DATA/etc"
  if grep -q '100\.100\.100\.100' "$boot_resolv" 2>/dev/null; then
    [ -s "$boot_saved" ] && return 0
    BOOT_ERROR="$boot_resolv is MagicDNS's already and no upstream resolv.conf was saved before"
    return 1
  fi
  boot_replace "$boot_saved" <"$boot_resolv" || {
    BOOT_ERROR="cannot save $boot_resolv"
    return 1
  }
}

boot_tailnet() {
  for boot_required in NODE TAILNET_HOSTNAME; do
    eval "boot_required_value=\${$boot_required:-}"
    [ -n "$boot_required_value" ] || {
      BOOT_ERROR="\`$boot_required\` must be set in node.conf"
      return 1
    }
  done
  boot_save_resolv_conf || return 1
  driver_prepare
  boot_until "$BOOT_BOUND_KEY" "$BOOT_CAP_KEY" boot_may_log_in || return 1
  driver_start_tailscale || return 1
  boot_until "$BOOT_BOUND_SOCKET" "$BOOT_CAP_LOCAL" driver_tailscale_answers || {
    driver_alive tailscale && BOOT_ERROR="tailscaled's socket did not appear within $BOOT_BOUND_SOCKET s"
    return 1
  }
  if boot_logged_in; then
    rm -f "$BOOT_DATA/secrets/authkey"
  else
    boot_login || return 1
  fi
  boot_until "$BOOT_BOUND_LOGIN" "$BOOT_CAP_LOCAL" boot_read_address || {
    boot_status=$(driver_tailscale status --peers=false 2>&1)
    BOOT_ERROR="no tailnet address within $BOOT_BOUND_LOGIN s: $boot_status"
    return 1
  }
}

# A machine is made before the control server can give it a key; tailscaled reads the server's CA, which comes with the key, once.
boot_may_log_in() {
  boot_has_profile || boot_has_key
}

boot_has_key() {
  [ -s "$BOOT_DATA/secrets/authkey" ] && return 0
  BOOT_ERROR='not logged in to the tailnet, and secrets/authkey is missing'
  return 1
}

boot_has_profile() {
  grep -q '_current-profile' "$BOOT_DATA/tailscale/tailscaled.state" 2>/dev/null
}

# tailscaled remembers the profile it logged in with; a spent key must not be offered again.
boot_logged_in() {
  boot_has_profile || return 1
  [ -s "$BOOT_DATA/secrets/authkey" ] || return 0
  # A key beside an existing login: left over from a crash after the login, or meant for a login that expired.
  boot_until "$BOOT_BOUND_ADDRESS" "$BOOT_CAP_LOCAL" boot_backend_known || return 1
  [ "$boot_backend" = Running ]
}

boot_backend_known() {
  boot_backend=$(driver_tailscale status --json --peers=false 2>/dev/null </dev/null |
    sed -n 's/^ *"BackendState": *"\([A-Za-z]*\)".*/\1/p')
  case $boot_backend in
    Running | NeedsLogin | NeedsMachineAuth | Stopped) ;;
    *) return 1 ;;
  esac
}

# The key travels on standard input: it is in no argument, no environment and no file of another container.
# Tags come from the key: with --advertise-tags Headscale rejects a tagged pre-auth key.
boot_login() {
  boot_key=$BOOT_DATA/secrets/authkey
  boot_has_key || return 1
  boot_output=$BOOT_DATA/steward/login.out
  routes_flags
  # shellcheck disable=SC2086 # several flags
  set -- up --auth-key=file:/dev/stdin --hostname="$TAILNET_HOSTNAME" --accept-dns $ROUTES_FLAGS --timeout="${BOOT_BOUND_LOGIN}s"
  [ -z "${LOGIN_SERVER:-}" ] || set -- "$@" --login-server="$LOGIN_SERVER"
  # In the background, so that a trap is not held up by a login that hangs.
  driver_tailscale "$@" <"$boot_key" >"$boot_output" 2>&1 &
  if wait $!; then
    rm -f "$boot_key" "$boot_output"
    return 0
  fi
  BOOT_ERROR="tailscale up: $(tail -n 3 "$boot_output")"
  rm -f "$boot_output"
  return 1
}

# BOOT_ADDRESS is the IPv4 address of tailscale0 in 100.64.0.0/10.
boot_read_address() {
  BOOT_ADDRESS=$(ip -4 -o addr show dev tailscale0 2>/dev/null | sed -n 's/.* inet \(100\.[0-9.]*\).*/\1/p')
  [ -n "$BOOT_ADDRESS" ]
}

boot_address() {
  boot_until "$BOOT_BOUND_ADDRESS" "$BOOT_CAP_LOCAL" boot_read_address || {
    BOOT_ERROR="tailscale0 has no 100.x address after $BOOT_BOUND_ADDRESS s"
    return 1
  }
}

boot_artifacts() {
  driver_check_artifacts
}

boot_config() {
  boot_until "$BOOT_BOUND_CONFIG" "$BOOT_CAP_LOCAL" config_present || return 1
  driver_restore || return 1
  config_write
}

# k3s counts as started when its kubelet answers; a k3s that ends before is visible here with the end of its log.
boot_k3s() {
  boot_former=
  boot_value "$BOOT_DATA/steward/k3s.applied" APPLIED && boot_former=$BOOT_VALUE
  boot_current_state
  if driver_alive k3s && [ -n "$boot_former" ] && [ "$boot_former" != "$BOOT_CURRENT" ]; then
    driver_restart_k3s || return 1
  else
    driver_start_k3s || return 1
  fi
  printf 'APPLIED=%s\n' "$BOOT_CURRENT" | boot_replace "$BOOT_DATA/steward/k3s.applied"
  boot_k3s_checked=0
  boot_until "$BOOT_BOUND_K3S" 100 boot_kubelet_answers || {
    driver_alive k3s && BOOT_ERROR="kubelet does not answer after $BOOT_BOUND_K3S s"
    return 1
  }
  driver_start_bootstrapper && routes_settle
}

# What k3s was started with: the configuration files and the run of tailscaled (a k3s older than tailscaled has lost flannel.1:
# https://github.com/k3s-io/k3s/issues/14142; without VXLAN there is nothing to lose). BOOT_CURRENT is one word.
boot_current_state() {
  DRIVER_STARTED='' DRIVER_PROGRAM=''
  driver_tailscale_started || true
  routes_wanted && DRIVER_STARTED=
  config_checksum
  BOOT_CURRENT="$CONFIG_CHECKSUM@$DRIVER_STARTED$DRIVER_PROGRAM"
}

# Whether its port (10248 is 2808) is open is seen for a third of what curl takes of a slow processor, which k3s needs now.
boot_kubelet_answers() {
  grep -q '^ *[0-9]*: [0-9A-F]*:2808 [0-9A-F:]* 0A ' "${DRIVER_PROC:-/proc}/net/tcp" &&
    [ "$(curl -s --max-time 2 http://127.0.0.1:10248/healthz 2>/dev/null)" = ok ] && return 0
  BOOT_ERROR='kubelet does not answer'
  # A look at the process costs more than one at the port, so it comes every tenth time.
  boot_k3s_checked=$((boot_k3s_checked + 1))
  [ $((boot_k3s_checked % 10)) -ne 0 ] || driver_alive k3s || boot_deadline=0
  return 1
}
