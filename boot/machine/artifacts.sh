# shellcheck shell=sh disable=SC2034 # variables are read by the files that source this one
# Programs by URL and checksum. Sourced after wait.sh; needs BOOT_DATA, MACHINE_ROOT, MACHINE_LIB, MACHINE_ETC, MACHINE_RUN and
# MACHINE_STATE.
#
# artifacts.conf is KEY=value lines, parsed and never sourced. One that came with the boot files comes first, until the data directory
# has it (data_seed), then $BOOT_DATA/artifacts.conf (delivered), then $MACHINE_ETC/artifacts.conf (laid down with the machine), key by key:
#   K3S_AMD64_URL=https://...     where it is; further places, separated by spaces, are tried in turn. Also K3S_ARM64_URL
#   K3S_AMD64_SHA256=...          of what the URL gives
#   K3S_PATH=/usr/local/bin/k3s   where it belongs
#   TAILSCALE_FILES=tailscale tailscaled   the URL gives a .tgz; these files of it belong into the directory TAILSCALE_PATH

ARTIFACT_MAX_SECONDS=900

artifact_value() {
  boot_value "$MACHINE_LIB/seed/artifacts.conf" "$1" || boot_value "$BOOT_DATA/artifacts.conf" "$1" ||
    boot_value "$MACHINE_ETC/artifacts.conf" "$1"
}

# All that artifact_value finds: the same text, wherever what it says is written, and how often.
artifact_text() {
  artifact_keys=' '
  for artifact_conf in "$MACHINE_LIB/seed/artifacts.conf" "$BOOT_DATA/artifacts.conf" "$MACHINE_ETC/artifacts.conf"; do
    artifact_known=$artifact_keys
    [ -r "$artifact_conf" ] || continue
    while IFS= read -r artifact_line || [ -n "$artifact_line" ]; do
      case $artifact_known in
        *" ${artifact_line%%=*} "*) continue ;;
      esac
      artifact_keys="$artifact_keys${artifact_line%%=*} "
      printf '%s\n' "$artifact_line"
    done <"$artifact_conf"
  done
}

# artifact_read NAME: what artifacts.conf says of NAME on this kind of machine.
artifact_read() {
  artifact_name=$1
  case ${ARTIFACT_MACHINE:=$(uname -m)} in
    x86_64) artifact_kind=AMD64 ;;
    aarch64) artifact_kind=ARM64 ;;
    *)
      BOOT_ERROR="there is no $1 for this machine: it must be x86_64 or aarch64, got $ARTIFACT_MACHINE"
      return 1
      ;;
  esac
  for artifact_key in "$1_${artifact_kind}_URL" "$1_${artifact_kind}_SHA256" "$1_PATH"; do
    if ! artifact_value "$artifact_key" || [ -z "$BOOT_VALUE" ]; then
      BOOT_ERROR="\`$artifact_key\` must be set in artifacts.conf"
      return 1
    fi
    case $artifact_key in
      *_URL) artifact_urls=$BOOT_VALUE ;;
      *_SHA256) ARTIFACT_SUM=$BOOT_VALUE ;;
      *) ARTIFACT_PATH=$MACHINE_ROOT$BOOT_VALUE ;;
    esac
  done
  case ${#ARTIFACT_SUM}:$ARTIFACT_SUM in
    64:*[!0-9a-f]*) artifact_key= ;;
    64:*) ;;
    *) artifact_key= ;;
  esac
  [ -n "$artifact_key" ] || {
    BOOT_ERROR="\`$1_${artifact_kind}_SHA256\` must be 64 hexadecimal digits, got \"$ARTIFACT_SUM\""
    return 1
  }
  artifact_value "$1_FILES" || true
  artifact_files=$BOOT_VALUE
  if [ -n "$artifact_files" ]; then
    artifact_directory=$ARTIFACT_PATH
    artifact_targets=
    for artifact_file in $artifact_files; do
      artifact_targets="$artifact_targets $ARTIFACT_PATH/$artifact_file"
    done
  else
    artifact_directory=${ARTIFACT_PATH%/*}
    artifact_targets=$ARTIFACT_PATH
  fi
  # The sums of what was installed from an artifact, in a file named by the artifact's own.
  artifact_record=$MACHINE_STATE/artifacts/$1.$ARTIFACT_SUM
  # What the files were when they were last summed, since the machine started.
  artifact_summed=$MACHINE_RUN/artifacts/$1
}

artifact_sum_fits() {
  [ -s "$1" ] || return 1
  artifact_seen=$(sha256sum <"$1")
  artifact_seen=${artifact_seen%% *}
  [ "$artifact_seen" = "$ARTIFACT_SUM" ]
}

# artifact_seen_before: the files are those that were summed, or came from an archive that was, by inode, size and times to the nanosecond. The sequence begins anew with
# each delivery, and on a slow machine the sums take seconds.
artifact_seen_before() {
  artifact_identify
  [ -n "$artifact_identity" ] && [ "$(cat "$artifact_summed" 2>/dev/null)" = "$artifact_identity" ]
}

# True when what artifact_read read is installed, by content.
artifact_present() {
  artifact_seen_before && return 0
  if [ -s "$artifact_record" ] && sha256sum --check --status "$artifact_record" 2>/dev/null; then
    artifact_note
    return 0
  fi
  # A single file may have come with the machine.
  [ -z "$artifact_files" ] && artifact_sum_fits "$ARTIFACT_PATH" && artifact_remember
}

# ARTIFACT_SUM is part of it: another one must be seen in the files anew. Empty where a file is missing.
artifact_identify() {
  # shellcheck disable=SC2086 # several names, without spaces by the form of artifacts.conf
  artifact_identity=$(stat --format="%n %d %i %s %.9Y %.9Z $ARTIFACT_SUM" -- $artifact_targets 2>/dev/null) || artifact_identity=
}

# artifact_note: the files as artifact_identify saw them are the right ones. They are only summed again if this is lost.
artifact_note() {
  mkdir -p "${artifact_summed%/*}" && printf '%s\n' "$artifact_identity" >"$artifact_summed" && return 0
  boot_log "cannot write $artifact_summed"
}

# artifact_remember, after artifact_identify. A single file has the artifact's own sum, which was just seen.
artifact_remember() {
  mkdir -p "$MACHINE_STATE/artifacts"
  if [ -n "$artifact_files" ]; then
    # shellcheck disable=SC2086 # several names
    sha256sum $artifact_targets >"$artifact_record.new" || return 1
  else
    printf '%s  %s\n' "$ARTIFACT_SUM" "$ARTIFACT_PATH" >"$artifact_record.new" || return 1
  fi
  rm -f "$MACHINE_STATE/artifacts/$artifact_name".????????????????????????????????????????????????????????????????
  mv -f "$artifact_record.new" "$artifact_record" && artifact_note
}

# artifact_ensure NAME: installed with the right sum; ARTIFACT_INSTALLED says if something had to be done. One at a time for each NAME:
# machine/fetch may be at it, and what it has just put in place it notes a moment later.
artifact_ensure() {
  ARTIFACT_INSTALLED=no
  artifact_read "$1" || return 1
  artifact_seen_before && return 0
  mkdir -p "$MACHINE_RUN/artifacts"
  exec 9>"$MACHINE_RUN/artifacts/$1.lock"
  flock 9
  artifact_ensure_locked "$1"
  artifact_ended=$?
  exec 9>&-
  return "$artifact_ended"
}

# What was read before may be another one's by now.
artifact_ensure_locked() {
  artifact_read "$1" || return 1
  artifact_present && return 0
  ARTIFACT_INSTALLED=yes
  artifact_fetch && artifact_still_wanted "$1" && artifact_install
}

# While it was fetched another one may have been delivered, and installed.
artifact_still_wanted() {
  artifact_fetched=$ARTIFACT_SUM
  artifact_read "$1" || return 1
  [ "$ARTIFACT_SUM" != "$artifact_fetched" ] || return 0
  BOOT_ERROR="artifacts.conf has named another $1 meanwhile"
  return 1
}

# What has arrived is kept beside its destination under the sum it must have, and continued by the next try.
artifact_fetch() {
  artifact_part=$artifact_directory/.$artifact_name.$ARTIFACT_SUM.part
  mkdir -p "$artifact_directory"
  for artifact_old in "$artifact_directory/.$artifact_name."*.part; do
    [ "$artifact_old" = "$artifact_part" ] || rm -f "$artifact_old"
  done
  artifact_sum_fits "$artifact_part" && return 0
  artifact_errors=
  for artifact_url in $artifact_urls; do
    artifact_try "$artifact_url" && return 0
    artifact_errors="$artifact_errors${artifact_errors:+; }$BOOT_ERROR"
  done
  BOOT_ERROR=$artifact_errors
  return 1
}

artifact_try() {
  case $1 in
    https://* | http://*) ;;
    *)
      BOOT_ERROR="a URL in artifacts.conf must begin with https:// or http://, got \"$1\""
      return 1
      ;;
  esac
  artifact_said=$(curl --fail --silent --show-error --location --connect-timeout 10 --speed-limit 1024 --speed-time 30 \
    --max-time "$ARTIFACT_MAX_SECONDS" --continue-at - --output "$artifact_part" -- "$1" 2>&1 </dev/null)
  artifact_code=$?
  case $artifact_code in
    0)
      artifact_sum_fits "$artifact_part" && return 0
      rm -f "$artifact_part"
      BOOT_ERROR="$1 must have the SHA-256 sum $ARTIFACT_SUM, got ${artifact_seen:-nothing}"
      return 1
      ;;
    # 22: an HTTP error, which a wrong offset gives too; 33, 36: the server cannot continue. Begun anew by the next try.
    22 | 33 | 36) rm -f "$artifact_part" ;;
  esac
  BOOT_ERROR="$1: ${artifact_said:-curl ended with exit code $artifact_code}"
  return 1
}

# The program's type is in the policy, by its path.
artifact_label() {
  ! command -v restorecon >/dev/null 2>&1 || restorecon -i "$@" || boot_log "restorecon $*: failed"
}

artifact_install() {
  if [ -z "$artifact_files" ]; then
    chmod 0755 "$artifact_part" && mv -f "$artifact_part" "$ARTIFACT_PATH" && artifact_label "$ARTIFACT_PATH" &&
      artifact_identify && artifact_remember && return 0
    BOOT_ERROR="cannot install $ARTIFACT_PATH"
    return 1
  fi
  artifact_work=$artifact_directory/.$artifact_name.unpacked
  rm -rf "$artifact_work"
  mkdir "$artifact_work" || return 1
  # shellcheck disable=SC2086 # names without spaces, by the form of artifacts.conf
  artifact_said=$(tar -xzf "$artifact_part" -C "$artifact_work" --no-same-owner --transform='s|.*/||' --no-anchored $artifact_files 2>&1) || {
    BOOT_ERROR="cannot unpack $artifact_files: $artifact_said"
    rm -rf "$artifact_work"
    return 1
  }
  for artifact_file in $artifact_files; do
    if ! chmod 0755 "$artifact_work/$artifact_file" || ! mv -f "$artifact_work/$artifact_file" "$artifact_directory/$artifact_file"; then
      BOOT_ERROR="cannot install $artifact_directory/$artifact_file"
      return 1
    fi
    artifact_label "$artifact_directory/$artifact_file"
  done
  # The archive's sum was right: who waits for what is in it need not wait for the sums of that, which are for when the machine starts
  # again. A machine that does so before has the archive still.
  artifact_identify
  artifact_note
  artifact_remember && rm -rf "$artifact_work" "$artifact_part" && return 0
  BOOT_ERROR="cannot write $artifact_record"
  return 1
}
