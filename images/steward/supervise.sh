# shellcheck shell=sh disable=SC2034 # variables are read by the boot files
# After the boot sequence: look after the children. Sourced by the entrypoint after the boot files and the driver.

# Hundredths of a second between looks, and in the first 20 s while the node is not ready; a look without a change costs no call to
# Podman.
SUPERVISE_TICK=200
SUPERVISE_TICK_START=100
SUPERVISE_START=2000
# Podman is asked at the latest this often.
SUPERVISE_ASK=3000
SUPERVISE_READY_BOUND=300
SUPERVISE_CAP=3000

supervise() {
  supervise_ended=0
  supervise_reset
  while :; do
    boot_now
    if [ "$supervise_ready" = no ] && [ "$BOOT_NOW" -lt $((supervise_since + SUPERVISE_START)) ]; then
      boot_sleep "$SUPERVISE_TICK_START"
    else
      boot_sleep "$SUPERVISE_TICK"
    fi
    supervise_tick
  done
}

supervise_reset() {
  boot_now
  supervise_anew=$BOOT_NOW
  supervise_ready=no
  supervise_report=
  supervise_pulse=
  supervise_asked=0
  supervise_delay=100
  supervise_not_before=0
  boot_now
  supervise_since=$BOOT_NOW
  stage_begin ready
  supervise_remember
}

supervise_tick() {
  boot_now
  supervise_fold_ready
  if boot_new_key; then
    supervise_again
    return
  fi
  if [ -e "$BOOT_DATA/steward/k3s.stopped" ]; then
    supervise_stopped
    return
  fi
  supervise_inputs
  if [ "$SUPERVISE_INPUTS" != "$supervise_applied" ]; then
    boot_log "configuration changed"
    supervise_again
    return
  fi
  driver_pulse
  if [ "$DRIVER_PULSE" = "$supervise_pulse" ] && [ "$BOOT_NOW" -lt $((supervise_asked + SUPERVISE_ASK)) ]; then
    return
  fi
  driver_look || return 0
  supervise_pulse=$DRIVER_PULSE
  supervise_asked=$BOOT_NOW
  supervise_children
}

# The stage `ready` follows the bootstrapper's report; the stage file has one writer.
supervise_fold_ready() {
  boot_value "$BOOT_DATA/steward/report/ready" STATE || BOOT_VALUE=
  supervise_state=$BOOT_VALUE
  boot_value "$BOOT_DATA/steward/report/ready" DETAIL || BOOT_VALUE='no report yet'
  # What is reported only follows from that.
  [ "$supervise_ended" -lt 2 ] || BOOT_VALUE="$supervise_ended times in a row $supervise_said; $BOOT_VALUE"
  if [ "$supervise_state" = ready ]; then
    if [ "$supervise_ready" = no ]; then
      supervise_ready=yes
      stage_done ready
    fi
    return
  fi
  if [ "$supervise_ready" = yes ]; then
    supervise_ready=no
    supervise_since=$BOOT_NOW
    stage_begin ready
  fi
  if [ "$BOOT_NOW" -ge $((supervise_since + SUPERVISE_READY_BOUND * 100)) ]; then
    supervise_since=$BOOT_NOW
    stage_fail ready "$BOOT_VALUE"
  else
    stage_note ready "$BOOT_VALUE"
  fi
}

# `k3s-stop` leaves a file; k3s is stopped once and stays so until the file is gone.
supervise_stopped() {
  driver_look || return 0
  if driver_seen k3s; then
    driver_stop_k3s || boot_log "$BOOT_ERROR"
  fi
  stage_pause k3s "stopped on purpose; k3s-start starts it"
  supervise_applied=stopped
}

supervise_children() {
  for supervise_child in tailscale k3s bootstrapper; do
    driver_seen "$supervise_child" && continue
    supervise_dead "$supervise_child"
    return
  done
  driver_seen tailscale
  if [ "$DRIVER_STARTED" != "$supervise_tailscaled" ]; then
    boot_log "tailscaled was started again"
    supervise_again
  elif [ "$BOOT_NOW" -ge $((supervise_not_before + 6000)) ] && [ "$BOOT_NOW" -ge $((supervise_anew + 6000)) ]; then
    # A minute, in which nothing was done.
    supervise_delay=100
    supervise_ended=0
  fi
}

# supervise_dead CHILD: restarted with a growing delay, as long as it does not stay up for a minute.
supervise_dead() {
  # Asked again at the next tick, whatever the pulse says.
  supervise_pulse=
  [ "$BOOT_NOW" -ge "$supervise_not_before" ] || return 0
  driver_alive "$1" && return
  boot_redact "$BOOT_ERROR"
  boot_log "$BOOT_REDACTED"
  if [ "$1" = k3s ]; then
    supervise_ended=$((supervise_ended + 1))
    supervise_said=$BOOT_REDACTED
  fi
  supervise_not_before=$((BOOT_NOW + supervise_delay))
  supervise_delay=$((supervise_delay * 2))
  [ "$supervise_delay" -le "$SUPERVISE_CAP" ] || supervise_delay=$SUPERVISE_CAP
  if [ "$1" = bootstrapper ]; then
    driver_start_bootstrapper || boot_log "$BOOT_ERROR"
    return
  fi
  supervise_again
}

# The whole sequence once more: what is in place passes at once, what changed is applied, k3s is restarted if it must be.
supervise_again() {
  supervise_delay_kept=$supervise_delay
  supervise_not_before_kept=$supervise_not_before
  rm -f "$BOOT_DATA/steward/report/ready"
  # Nobody may take the end of the former run for that of this one.
  stage_set ready state waiting
  boot_run
  supervise_reset
  supervise_delay=$supervise_delay_kept
  supervise_not_before=$supervise_not_before_kept
}

# All the files a child is made or started from, and what flannel says of the pods' network.
supervise_inputs() {
  SUPERVISE_INPUTS=$(config_files sha256sum "$BOOT_DATA/join.conf" "$BOOT_DATA"/steward/children/*.args \
    "$BOOT_DATA/rancher/k3s/agent/pod-subnet")
}

supervise_remember() {
  supervise_inputs
  supervise_applied=$SUPERVISE_INPUTS
  supervise_tailscaled=
  if driver_look; then
    driver_seen tailscale && supervise_tailscaled=$DRIVER_STARTED
    driver_pulse
    supervise_pulse=$DRIVER_PULSE
    supervise_asked=$BOOT_NOW
  fi
}
