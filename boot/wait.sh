# shellcheck shell=sh disable=SC2034 # variables are read by the files that source this one
# Bounded waits with exponential backoff, and the small text functions the boot files share. Sourced, POSIX only.

# Seconds since the machine started, in hundredths, without starting a process.
boot_now() {
  read -r boot_up _ <"${BOOT_UPTIME_FILE:-/proc/uptime}"
  boot_fraction=${boot_up#*.}
  # "08" would be an invalid octal number in $(( )).
  BOOT_NOW=$((${boot_up%%.*} * 100 + ${boot_fraction#0}))
}

# boot_sleep CENTISECONDS: a trap runs at once, because `wait` can be interrupted and a foreground `sleep` cannot.
boot_sleep() {
  boot_hundredths=$(($1 % 100))
  case $boot_hundredths in
    ?) boot_hundredths=0$boot_hundredths ;;
  esac
  sleep "$(($1 / 100)).$boot_hundredths" &
  wait $! || true
}

# boot_until BOUND_SECONDS CAP_CENTISECONDS COMMAND...: repeats COMMAND with delays of 0.05 s, 0.1 s, ... up to the cap until
# it succeeds (0) or the bound has passed (1). COMMAND leaves what it lacks in BOOT_ERROR.
# Not reentrant: COMMAND must not call boot_until.
boot_until() {
  boot_now
  boot_deadline=$((BOOT_NOW + $1 * 100))
  boot_cap=$2
  boot_delay=5
  shift 2
  while ! "$@"; do
    boot_now
    [ "$BOOT_NOW" -lt "$boot_deadline" ] || return 1
    # COMMAND may have lowered boot_cap, when what it waits for has come near.
    [ "$boot_delay" -le "$boot_cap" ] || boot_delay=$boot_cap
    boot_sleep "$boot_delay"
    boot_delay=$((boot_delay * 2))
  done
}

# boot_value FILE KEY: BOOT_VALUE is the value of the last `KEY=value` line. The file is data, never sourced.
boot_value() {
  BOOT_VALUE=
  [ -r "$1" ] || return 1
  boot_found=1
  while IFS= read -r boot_line || [ -n "$boot_line" ]; do
    case $boot_line in
      "$2="*)
        BOOT_VALUE=${boot_line#*=}
        boot_found=0
        ;;
    esac
  done <"$1"
  return "$boot_found"
}

# boot_replace FILE: stdin becomes FILE in one step, and only if it differs. BOOT_REPLACED says if it did.
boot_replace() {
  cat >"$1.new" || return 1
  BOOT_REPLACED=no
  if [ -e "$1" ] && cmp -s "$1.new" "$1"; then
    rm -f "$1.new"
  else
    mv -f "$1.new" "$1" && BOOT_REPLACED=yes
  fi
}

# boot_redact TEXT: BOOT_REDACTED is TEXT without the content of any file in secrets/ of BOOT_DATA.
boot_redact() {
  BOOT_REDACTED=$1
  for boot_secret_file in "$BOOT_DATA"/secrets/*; do
    # A login takes the key away, at any time.
    boot_secret=
    IFS= read -r boot_secret 2>/dev/null <"$boot_secret_file" || true
    [ -n "$boot_secret" ] || continue
    while :; do
      case $BOOT_REDACTED in
        *"$boot_secret"*) BOOT_REDACTED="${BOOT_REDACTED%%"$boot_secret"*}[secret]${BOOT_REDACTED#*"$boot_secret"}" ;;
        *) break ;;
      esac
    done
  done
}

boot_log() {
  printf '%s\n' "homespan: $*" >&2
}
