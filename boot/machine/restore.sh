# shellcheck shell=sh disable=SC2034 # variables are read by the files that source this one
# A one-time order to restore the cluster from a snapshot of etcd. Sourced after the other boot files; needs BOOT_DATA, MACHINE_LIB and
# what config.sh and driver-systemd.sh define.
#
# $BOOT_DATA/restore.conf comes to every server, as KEY=value lines:
#   ID=1a2b3c4d          one order; what was carried out is remembered by it in $BOOT_DATA/steward/restored, on the data disk
#   SERVER=server-1      the node that begins with the snapshot; the others throw their etcd away and join it
#   FROM=s3              or local: where the snapshot is
#   SNAPSHOT=etcd-snapshot-server-1-1700000000   its name there
#
# The file goes when the order is carried out, and only then: a machine that is cut off in the middle begins again, from the snapshot. No
# server of the former cluster may run meanwhile: `./homespan restore` stops k3s on all of them first.

RESTORE_SECONDS=600

# restore_ordered: there is an order that this node has not carried out. Sets restore_id.
restore_ordered() {
  [ -s "$BOOT_DATA/restore.conf" ] || return 1
  boot_value "$BOOT_DATA/restore.conf" ID || return 1
  restore_id=$BOOT_VALUE
  restore_former=
  [ ! -s "$BOOT_DATA/steward/restored" ] || IFS= read -r restore_former <"$BOOT_DATA/steward/restored" || true
  [ "$restore_id" != "$restore_former" ] || {
    rm -f "$BOOT_DATA/restore.conf"
    return 1
  }
}

restore_node() {
  [ "${config_role:-}" = server ] && restore_ordered || return 0
  boot_value "$BOOT_DATA/restore.conf" SERVER
  restore_server=$BOOT_VALUE
  driver_systemctl stop k3s || return 1
  rm -f "$BOOT_DATA/steward/k3s.stopped" "$BOOT_DATA/steward/report/ready"
  if [ "$restore_server" = "$NODE" ]; then
    restore_begin || return 1
  else
    restore_forget || return 1
  fi
  printf '%s\n' "$restore_id" | boot_replace "$BOOT_DATA/steward/restored" && sync && rm -f "$BOOT_DATA/restore.conf" && return 0
  BOOT_ERROR="cannot write $BOOT_DATA/steward/restored"
  return 1
}

# What a server knows of the former cluster, so that it joins as a new one does: https://docs.k3s.io/cli/etcd-snapshot#restoring-snapshots.
# Its own snapshots stay.
restore_forget() {
  restore_k3s=$BOOT_DATA/rancher/k3s/server
  driver_try "removing the former etcd" rm -rf "$restore_k3s/db/etcd" "$restore_k3s/tls" "$restore_k3s/cred" \
    "$BOOT_DATA/etc/rancher/k3s/config.yaml.d/10-address.yaml"
}

# k3s writes the snapshot's content into a new etcd of one member, and ends. The cluster's token must be the one the snapshot was made
# with, as the certificates in it are encrypted with it: config.yaml names its file.
restore_begin() {
  boot_value "$BOOT_DATA/restore.conf" SNAPSHOT
  restore_snapshot=$BOOT_VALUE
  boot_value "$BOOT_DATA/restore.conf" FROM
  stage_note config "restoring the cluster from $restore_snapshot"
  restore_k3s=$BOOT_DATA/rancher/k3s/server
  set -- server --cluster-reset
  case $BOOT_VALUE in
    s3) set -- "$@" "--cluster-reset-restore-path=$restore_snapshot" ;;
    local)
      [ -s "$restore_k3s/db/snapshots/$restore_snapshot" ] || {
        BOOT_ERROR="there is no snapshot $restore_snapshot on this server: restore from another one"
        return 1
      }
      # With a bucket configured k3s would look for it there.
      set -- "$@" --etcd-s3=false "--cluster-reset-restore-path=/var/lib/rancher/k3s/server/db/snapshots/$restore_snapshot"
      ;;
    *)
      BOOT_ERROR="\`FROM\` in restore.conf must be s3 or local, got \"$BOOT_VALUE\""
      return 1
      ;;
  esac
  config_values
  # A server to join may not be named during a reset; k3s ignores this line once there is an etcd.
  CONFIG_MEMBERSHIP='cluster-init: true'
  config_place || return 1
  # k3s reads the token's file and yet asks that this one be there; the token is no argument of anyone's. It is written anew at every start.
  mkdir -p "$restore_k3s"
  [ -s "$restore_k3s/token" ] || (umask 077 && cp "$BOOT_DATA/secrets/server-token" "$restore_k3s/token") || {
    BOOT_ERROR="cannot write $restore_k3s/token"
    return 1
  }
  # What a former restore put aside.
  rm -rf "$restore_k3s/db/etcd-old-"* "$restore_k3s/db/reset-flag"
  restore_log=$BOOT_DATA/steward/restore.log
  # Where k3s's own unit finds programs.
  restore_path=$(systemctl show --property=Environment --value k3s.service 2>/dev/null | tr ' ' '\n' | sed -n 's/^PATH=//p')
  # In the background, so that a trap is not held up.
  PATH=${restore_path:-$PATH} timeout "$RESTORE_SECONDS" "$MACHINE_LIB/bin/k3s" "$@" >"$restore_log" 2>&1 </dev/null &
  if wait $! && [ -e "$restore_k3s/db/reset-flag" ]; then
    return 0
  fi
  BOOT_ERROR="restoring from $restore_snapshot: $(grep -E 'level=(error|fatal)|Error|rror:' "$restore_log" | tail -n 2 | tr '\n' ' ')"
  return 1
}
