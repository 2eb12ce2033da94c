# shellcheck shell=sh
# The stage file: what the boot sequence of this node is doing, for `homespan doctor`. Sourced after wait.sh; one writer only.
#
# {"node":"agent-1","stages":[{"name":"tailnet","state":"done","startedAt":"...","finishedAt":"...","attempts":1}, ...]}
# state: waiting -> running -> done; failed after a bound has passed or a step was refused, with the last error, while it is tried on.

BOOT_STAGES='tailnet address artifacts config k3s ready'

# stage_init FILE NODE
stage_init() {
  stage_file=$1
  stage_node=$2
  for stage_name in $BOOT_STAGES; do
    stage_set "$stage_name" state waiting
    stage_set "$stage_name" started ''
    stage_set "$stage_name" finished ''
    stage_set "$stage_name" attempts 0
    stage_set "$stage_name" error ''
  done
  stage_write
}

# stage_set STAGE FIELD VALUE and stage_get STAGE FIELD (into STAGE_VALUE). STAGE and FIELD are words of this file, never input.
stage_set() {
  eval "stage_$1_$2=\$3"
}
stage_get() {
  eval "STAGE_VALUE=\$stage_$1_$2"
}

# stage_begin STAGE: one more attempt. A failed stage stays failed, with its error, until it is done.
stage_begin() {
  stage_get "$1" attempts
  stage_set "$1" attempts $((STAGE_VALUE + 1))
  stage_get "$1" state
  if [ "$STAGE_VALUE" != failed ]; then
    stage_time
    stage_set "$1" state running
    stage_set "$1" started "$STAGE_TIME"
    stage_set "$1" finished ''
    stage_set "$1" error ''
  fi
  stage_write
}

stage_done() {
  stage_time
  stage_set "$1" state "done"
  stage_set "$1" finished "$STAGE_TIME"
  stage_set "$1" error ''
  stage_write
}

# stage_note STAGE TEXT: what the running stage waits for; written only when it changed.
stage_note() {
  stage_get "$1" error
  [ "$STAGE_VALUE" = "$2" ] && return
  stage_set "$1" error "$2"
  stage_write
}

# stage_pause STAGE TEXT: nothing is being done, on purpose.
stage_pause() {
  stage_get "$1" state
  [ "$STAGE_VALUE" = waiting ] || stage_set "$1" state waiting
  stage_note "$1" "$2"
}

stage_fail() {
  stage_set "$1" state failed
  stage_set "$1" error "$2"
  stage_write
  boot_log "stage $1 failed: $2"
}

# UTC, with milliseconds where date(1) has them.
stage_time() {
  STAGE_TIME=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
  case $STAGE_TIME in
    *.[0-9][0-9][0-9]Z) ;;
    *) STAGE_TIME=$(date -u +%Y-%m-%dT%H:%M:%SZ) ;;
  esac
}

# stage_text TEXT: one line of at most 500 characters, fit for a JSON string. STAGE_TEXT is the result.
stage_text() {
  STAGE_TEXT=$(printf '%s' "$1" | tr '\000-\037\177' ' ' | cut -c 1-500 | sed 's/[\\"]/\\&/g')
}

stage_write() {
  {
    printf '{"node":"%s","stages":[' "$stage_node"
    stage_comma=
    for stage_name in $BOOT_STAGES; do
      stage_get "$stage_name" state
      printf '%s{"name":"%s","state":"%s"' "$stage_comma" "$stage_name" "$STAGE_VALUE"
      stage_comma=,
      stage_get "$stage_name" started
      [ -z "$STAGE_VALUE" ] || printf ',"startedAt":"%s"' "$STAGE_VALUE"
      stage_get "$stage_name" finished
      [ -z "$STAGE_VALUE" ] || printf ',"finishedAt":"%s"' "$STAGE_VALUE"
      stage_get "$stage_name" attempts
      printf ',"attempts":%s' "$STAGE_VALUE"
      stage_get "$stage_name" error
      if [ -n "$STAGE_VALUE" ]; then
        stage_text "$STAGE_VALUE"
        printf ',"error":"%s"' "$STAGE_TEXT"
      fi
      printf '}'
    done
    printf ']}\n'
  } >"$stage_file.new" && mv -f "$stage_file.new" "$stage_file"
}
