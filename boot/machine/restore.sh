# shellcheck shell=sh disable=SC2034 # variables are read by the files that source this one
# A one-time order to restore the cluster from a snapshot of etcd. Sourced after the other boot files; needs BOOT_DATA, MACHINE_LIB,
# MACHINE_RUN and what config.sh and driver-systemd.sh define.
#
# $BOOT_DATA/restore.conf comes to every server, as KEY=value lines:
#   ID=1a2b3c4d          one order; what was carried out is remembered by it in $BOOT_DATA/steward/restored, on the data disk
#   SERVER=server-1      the node that begins with the snapshot; the others throw their etcd away and join it
#   FROM=s3              or local: where the snapshot is
#   SNAPSHOT=etcd-snapshot-server-1-1700000000   its name there
#   NODES=server-1= server-2=100.64.0.7          the stack's nodes, with their addresses in the tailnet; without one: the machine is lost
#
# The file goes when the order is carried out, and only then: a machine that is cut off in the middle begins again, from the snapshot. No
# server of the former cluster may run meanwhile: `./homespan restore` stops k3s on all of them first.

RESTORE_SECONDS=600
# Of a k3s that serves nobody but this sequence, until its API answers, and in all.
RESTORE_ALONE_SECONDS=180
RESTORE_ALONE_LIMIT=300

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

# Whether k3s runs, and when its present or last run began: other words after each start, and none of a former start of the machine.
restore_k3s_shown() {
  systemctl show --property=ActiveState --property=ActiveEnterTimestampMonotonic k3s.service 2>&1
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
  # k3s starts only when there is a server to join. Until then a sequence that begins anew, as after a crash of tailscaled, finds it as
  # one that somebody stopped, and no order any more.
  restore_k3s_shown >"$MACHINE_RUN/restored-k3s"
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
  # What a former restore put aside; and the certificate of one that was cut off, which an authority signed that is no more: k3s would
  # not trust itself.
  rm -rf "$restore_k3s/db/etcd-old-"* "$restore_k3s/db/reset-flag" "$restore_k3s/tls/dynamic-cert.json"
  restore_log=$BOOT_DATA/steward/restore.log
  # Where k3s's own unit finds programs.
  restore_path=$(systemctl show --property=Environment --value k3s.service 2>/dev/null | tr ' ' '\n' | sed -n 's/^PATH=//p')
  # In the background, so that a trap is not held up.
  PATH=${restore_path:-$PATH} timeout "$RESTORE_SECONDS" "$MACHINE_LIB/bin/k3s" "$@" >"$restore_log" 2>&1 </dev/null &
  wait $!
  restore_result=$?
  # k3s ends itself when it is done, and if it is about to begin with something else then, with an error.
  if [ -e "$restore_k3s/db/reset-flag" ] &&
    { [ "$restore_result" -eq 0 ] || grep -q 'etcd cluster membership has been reset' "$restore_log"; }; then
    restore_release
    return
  fi
  BOOT_ERROR="restoring from $restore_snapshot: $(grep -E 'level=(error|fatal)|Error|rror:' "$restore_log" | tail -n 2 | tr '\n' ' ')"
  return 1
}

# Takes Nodes out of the restored cluster whose machines are not those of the snapshot. k3s ends at its start, over and over, where its
# Node has another machine's address ("failed to find interface with specified node ip", pkg/agent/netpol): only the cloud controller
# mends that, and it first waits for the former leader's lease to run out. So this is done by a k3s without a kubelet and, until it
# ends, on loopback, so that nobody joins it.
restore_release() {
  boot_value "$BOOT_DATA/restore.conf" NODES
  restore_nodes=$BOOT_VALUE
  [ -n "$restore_nodes" ] || return 0
  stage_note config "taking lost machines out of the restored cluster"
  PATH=${restore_path:-$PATH} timeout "$RESTORE_ALONE_LIMIT" "$MACHINE_LIB/bin/k3s" server --disable-agent --bind-address=127.0.0.1 \
    >>"$restore_log" 2>&1 </dev/null &
  restore_alone=$!
  boot_until "$RESTORE_ALONE_SECONDS" 50 restore_answers && restore_forget_nodes
  restore_result=$?
  kill "$restore_alone" 2>/dev/null
  wait "$restore_alone"
  return "$restore_result"
}

restore_kubectl() {
  timeout 30 "$MACHINE_LIB/bin/kubectl" --kubeconfig="$BOOT_DATA/etc/rancher/k3s/k3s.yaml" "$@" 2>&1 </dev/null
}

restore_answers() {
  restore_said=$(restore_kubectl get --raw /readyz) && return 0
  BOOT_ERROR="the restored cluster does not answer: $restore_said"
  kill -0 "$restore_alone" 2>/dev/null || boot_deadline=0
  return 1
}

restore_forget_nodes() {
  restore_template='{range .items[*]}{.metadata.name}={.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
  restore_said=$(restore_kubectl get nodes --output="jsonpath=$restore_template") || {
    BOOT_ERROR="reading the restored cluster's Nodes: $restore_said"
    return 1
  }
  restore_gone=
  for restore_pair in $restore_said; do
    restore_name=${restore_pair%%=*}
    case " $restore_nodes " in
      *" $restore_name= "*) restore_gone="$restore_gone $restore_name" ;;
      *" $restore_pair "*) ;;
      *" $restore_name="*) restore_gone="$restore_gone $restore_name" ;;
    esac
  done
  [ -z "$restore_gone" ] || restore_forget_gone || return 1
  # All who held one were stopped: the next k3s need not wait until they run out.
  driver_try "deleting former leaders' leases" restore_kubectl delete lease --namespace=kube-system --ignore-not-found \
    k3s k3s-cloud-controller-manager k3s-etcd kube-controller-manager kube-scheduler
}

# Without finalizers: k3s's own would wait for a leader, and there is none yet. The machine brings a node password of its own.
restore_forget_gone() {
  boot_log "the restored cluster knows other machines than there are as$restore_gone: these Nodes are taken out"
  restore_passwords=
  for restore_name in $restore_gone; do
    restore_passwords="$restore_passwords $restore_name.node-password.k3s"
    driver_try "deleting the Node $restore_name" restore_kubectl patch node "$restore_name" --type=merge \
      --patch='{"metadata":{"finalizers":null}}' || return 1
  done
  # shellcheck disable=SC2086 # several names
  driver_try "deleting the Nodes$restore_gone" restore_kubectl delete node $restore_gone --timeout=20s &&
    driver_try "deleting the node passwords of$restore_gone" restore_kubectl delete secret --namespace=kube-system \
      --ignore-not-found $restore_passwords
}
