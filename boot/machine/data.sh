# shellcheck shell=sh
# The node's data directory on a machine: a disk of its own where one is wanted, and the machine's paths mapped to it. Sourced after
# the boot files; needs BOOT_DATA, MACHINE_ROOT, MACHINE_LIB, MACHINE_ETC, MACHINE_RUN and MACHINE_STATE.

DATA_LABEL=homespan-data
# Directory of the node's data -> where the machine's programs look for it.
DATA_BINDS='etc/rancher:etc/rancher rancher:var/lib/rancher kubelet:var/lib/kubelet tailscale:var/lib/tailscale'
# Seed -> its place in the node's data; node.conf comes last, because it starts the sequence.
DATA_SEEDS='ca.pem:boot/ca.pem authkey:secrets/authkey artifacts.conf:artifacts.conf firewall.nft:firewall.nft node.conf:steward/node.conf'
# A new disk reads as zeros; this much of one must.
DATA_ZERO_BYTES=${DATA_ZERO_BYTES:-16777216}

# Everything the node keeps is below BOOT_DATA, in the layout of every carrier. Each step passes at once when it is done already.
data_ready() {
  if { data_stands || { data_disk && data_directories && data_map; }; } && data_seed; then
    : >"$MACHINE_RUN/data-ready"
    return 0
  fi
  stage_note tailnet "$BOOT_ERROR"
  return 1
}

# True when that was done since the machine started: without running a program, which on a slow machine takes seconds for all of them.
data_stands() {
  [ -e "$MACHINE_RUN/data-ready" ] || return 1
  boot_value "$MACHINE_ETC/machine.conf" DATA_DISK || BOOT_VALUE=none
  data_missing=' '
  for data_pair in $DATA_BINDS; do
    data_missing="$data_missing$MACHINE_ROOT/${data_pair#*:} "
  done
  [ "$BOOT_VALUE" != wanted ] || data_missing=" $BOOT_DATA$data_missing"
  while read -r _ data_place _; do
    case $data_missing in
      *" $data_place "*) data_missing="${data_missing%% "$data_place" *} ${data_missing#* "$data_place" }" ;;
    esac
  done <"${DRIVER_PROC:-/proc}/mounts"
  [ -z "${data_missing## }" ]
}

data_disk() {
  boot_value "$MACHINE_ETC/machine.conf" DATA_DISK || BOOT_VALUE=none
  case $BOOT_VALUE in
    none) return 0 ;;
    wanted) ;;
    *)
      BOOT_ERROR="\`DATA_DISK\` in machine.conf must be none or wanted, got \"$BOOT_VALUE\""
      return 1
      ;;
  esac
  mountpoint -q "$BOOT_DATA" && return 0
  data_find_disk || return 1
  mkdir -p "$BOOT_DATA"
  [ -z "$(ls -A "$BOOT_DATA")" ] || {
    BOOT_ERROR="$BOOT_DATA holds files that a mounted disk would hide: move them away"
    return 1
  }
  # 1: errors were found and repaired.
  fsck -p "$DATA_DEVICE" >/dev/null 2>&1 </dev/null || [ $? -eq 1 ] || {
    BOOT_ERROR="the file system of $DATA_DEVICE must be repaired by hand: fsck $DATA_DEVICE"
    return 1
  }
  driver_try "mount $DATA_DEVICE" mount -o noatime "$DATA_DEVICE" "$BOOT_DATA"
}

# DATA_DEVICE is the disk with the label; without one, the only empty disk, after it has been formatted.
data_find_disk() {
  if systemd-detect-virt --quiet --container; then
    BOOT_ERROR="a container sees the disks of its host: $BOOT_DATA must be mounted from outside"
    return 1
  fi
  data_labelled=$(blkid -c /dev/null -t "LABEL=$DATA_LABEL" -o device 2>/dev/null)
  case $data_labelled in
    '') ;;
    *[[:space:]]*)
      BOOT_ERROR="only one disk may carry the label $DATA_LABEL, got: $(echo "$data_labelled" | tr '\n' ' ')"
      return 1
      ;;
    *)
      DATA_DEVICE=$data_labelled
      return 0
      ;;
  esac
  data_empty=
  data_disks=$(lsblk --nodeps --noheadings --paths --raw --bytes --output NAME,TYPE,RO,SIZE)
  while read -r data_name data_type data_read_only data_size; do
    case $data_type:$data_read_only:$data_size:$data_name in
      disk:0:0:* | disk:*:/dev/zram* | disk:*:/dev/ram* | disk:*:/dev/nbd* | disk:*:/dev/fd*) ;;
      disk:0:*) data_is_empty "$data_name" && data_empty="$data_empty $data_name" ;;
    esac
  done <<EOT
$data_disks
EOT
  # shellcheck disable=SC2086 # device names have no spaces
  set -- $data_empty
  case $# in
    1) data_format "$1" ;;
    0)
      BOOT_ERROR="there is no disk with the label $DATA_LABEL, and no empty one (yet)"
      return 1
      ;;
    *)
      BOOT_ERROR="one disk must be labelled $DATA_LABEL, more than one is empty: $*"
      return 1
      ;;
  esac
}

# data_is_empty DEVICE: no partitions and nothing on top of it, no signature of anything, and zeros; or zeros no longer because
# this machine was cut off while it formatted it.
data_is_empty() {
  [ "$(lsblk --noheadings --raw --output NAME "$1" | wc -l)" -eq 1 ] || return 1
  data_signatures=$(wipefs --no-act "$1" 2>/dev/null) && [ -z "$data_signatures" ] || return 1
  cmp -s -n "$DATA_ZERO_BYTES" "$1" /dev/zero && return 0
  data_identity "$1"
  [ -s "$MACHINE_STATE/formatting" ] && [ "$(cat "$MACHINE_STATE/formatting")" = "$DATA_IDENTITY" ]
}

data_identity() {
  DATA_IDENTITY=$(lsblk --nodeps --noheadings --raw --bytes --output SIZE,SERIAL "$1")
}

data_format() {
  data_identity "$1"
  mkdir -p "$MACHINE_STATE"
  printf '%s\n' "$DATA_IDENTITY" | boot_replace "$MACHINE_STATE/formatting" && sync
  boot_log "formatting $1, which is empty, as the data disk"
  # mkfs.ext4 itself looks for something to lose only when a person watches: data_is_empty has.
  driver_try "mkfs.ext4 $1" mkfs.ext4 -q -m 0 -L "$DATA_LABEL" "$1" || return 1
  rm -f "$MACHINE_STATE/formatting"
  DATA_DEVICE=$1
}

data_directories() {
  mkdir -p "$BOOT_DATA/steward/report" "$BOOT_DATA/boot" "$BOOT_DATA/etc/rancher/k3s" "$BOOT_DATA/etc/rancher/node" \
    "$BOOT_DATA/rancher/k3s/agent" "$BOOT_DATA/rancher/k3s/server" "$BOOT_DATA/kubelet" "$BOOT_DATA/tailscale" \
    "$BOOT_DATA/secrets" &&
    chmod 0700 "$BOOT_DATA/secrets" "$BOOT_DATA/tailscale" "$BOOT_DATA/rancher/k3s/server" && return 0
  BOOT_ERROR="cannot make the directories of $BOOT_DATA"
  return 1
}

# True where nothing says that another installation uses this machine, which data_map would refuse: before it was asked nothing is put
# into the place of a program. Without running one.
data_untouched() {
  for data_pair in $DATA_BINDS; do
    set -- "$MACHINE_ROOT/${data_pair#*:}"/*
    [ ! -e "$1" ] || return 1
  done
}

data_map() {
  for data_pair in $DATA_BINDS; do
    data_bind "${data_pair%%:*}" "/${data_pair#*:}" || return 1
  done
  # Volumes that pods share with the node need mounts that propagate. systemd makes them so, except in a container.
  ! systemd-detect-virt --quiet --container || driver_try 'mount /' mount --make-rshared /
}

# Mounts instead of links: kubelet follows no link of its root directory in the mounts it makes for pods.
data_bind() {
  data_target=$MACHINE_ROOT$2
  if ! mountpoint -q "$data_target"; then
    mkdir -p "$data_target"
    data_found=$(ls -A "$data_target")
    [ -z "$data_found" ] || {
      BOOT_ERROR="$2 must be empty, this machine is in use by another installation: it holds $(echo "$data_found" | head -n 3 | tr '\n' ' ')"
      return 1
    }
    # Private first, or each volume of a pod would be mounted a second time below BOOT_DATA.
    driver_try "mount $2" mount --bind --make-private "$BOOT_DATA/$1" "$data_target" || return 1
  fi
  driver_try "mount $2" mount --make-shared "$data_target"
}

# What was laid down with the machine, and what came with the boot files, moves to its place once.
data_seed() {
  for data_pair in $DATA_SEEDS; do
    data_to=$BOOT_DATA/${data_pair#*:}
    for data_seeds in "$MACHINE_ETC" "$MACHINE_LIB"; do
      data_from=$data_seeds/seed/${data_pair%%:*}
      [ -s "$data_from" ] || continue
      if ! cp -p "$data_from" "$data_to.new" || ! mv -f "$data_to.new" "$data_to" || ! rm -f "$data_from"; then
        BOOT_ERROR="cannot write $data_to"
        return 1
      fi
    done
  done
}
