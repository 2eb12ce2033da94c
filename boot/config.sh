# shellcheck shell=sh disable=SC2034 # variables are read by the other boot files
# What the boot sequence adds to the join layer's config.yaml: addresses, and the server to join. Sourced by sequence.sh's carrier.

# A machine that is not there is given up after two seconds. One that is has ten for its answer: on busy processors the handshake alone
# takes two.
config_ask() {
  curl -s --insecure --connect-timeout 2 --max-time 10 "$@" 2>/dev/null
}

# Every file k3s needs before its first start. join.conf comes last in a delivery, so it being there means all is there.
config_present() {
  config_role=
  config_k3s=$BOOT_DATA/etc/rancher/k3s
  boot_value "$BOOT_DATA/join.conf" ROLE || {
    BOOT_ERROR='join.conf is missing: the join layer has not written it yet'
    return 1
  }
  config_role=$BOOT_VALUE
  case $config_role in
    server | agent) ;;
    *)
      BOOT_ERROR="\`ROLE\` in join.conf must be server or agent, got \"$config_role\""
      return 1
      ;;
  esac
  for config_file in etc/rancher/k3s/config.yaml "secrets/$config_role-token"; do
    [ -s "$BOOT_DATA/$config_file" ] || {
      BOOT_ERROR="$config_file is missing: the join layer has not written it yet"
      return 1
    }
  done
}

# True when this node has been a member before: it then comes back by itself, whether a server answers now or not.
# (k3s ignores `cluster-init` and an unreachable `server` once its datastore exists: pkg/cluster/bootstrap.go, shouldBootstrapLoad.)
config_member_before() {
  case $config_role in
    server) [ -e "$BOOT_DATA/rancher/k3s/server/db/etcd/name" ] || [ -e "$BOOT_DATA/rancher/k3s/server/db/state.db" ] ;;
    agent) [ -e "$BOOT_DATA/rancher/k3s/agent/kubelet.kubeconfig" ] ;;
  esac
}

config_write() {
  config_values
  config_same_address || return 1
  config_membership || return 1
  config_place
}

# What join.conf says of this node, and the line of a former start.
config_values() {
  boot_value "$BOOT_DATA/join.conf" MODE
  config_mode=$BOOT_VALUE
  boot_value "$BOOT_DATA/join.conf" SERVERS
  config_servers=$BOOT_VALUE
  boot_value "$BOOT_DATA/join.conf" SAN
  config_san=$BOOT_VALUE
  boot_value "$BOOT_DATA/join.conf" EXTERNAL_IP
  config_external=${BOOT_VALUE:-$BOOT_ADDRESS}
  config_file=$config_k3s/config.yaml.d/10-address.yaml
  config_former=$(sed -n 's/^server: "\(.*\)"$/\1/p' "$config_file" 2>/dev/null)
}

# Writes what the values and CONFIG_MEMBERSHIP make.
config_place() {
  { [ -d "$config_k3s/config.yaml.d" ] && [ -d "$BOOT_DATA/boot" ]; } || mkdir -p "$config_k3s/config.yaml.d" "$BOOT_DATA/boot"
  printf '%s\n' "$config_role" | boot_replace "$BOOT_DATA/boot/role" || return 1
  config_text | boot_replace "$config_file" || {
    BOOT_ERROR="cannot write $config_file"
    return 1
  }
}

# A device that was made anew in the tailnet has another address. Everything follows it but an etcd member, which the others know by its
# address: k3s would wait for ever (pkg/etcd/etcd.go, Test: "not a member of the etcd cluster"). With its etcd removed alone, the first
# server would begin a cluster of its own by its join.conf: only another node under its name is told to join.
config_same_address() {
  [ -e "$BOOT_DATA/rancher/k3s/server/db/etcd/name" ] || return 0
  config_address=$(sed -n 's/^node-ip: "\(.*\)"$/\1/p' "$config_file" 2>/dev/null)
  [ "${config_address:-$BOOT_ADDRESS}" != "$BOOT_ADDRESS" ] || return 0
  # The script knows neither the stack nor whether the data is on a disk that outlives the machine.
  BOOT_ERROR="the node's address in the tailnet was $config_address and is now $BOOT_ADDRESS, which an etcd member cannot follow; make the node anew, without its data: ./homespan recreate STACK --node ${NODE:-}; with a data disk, which that keeps: take the node out of the configuration, pulumi state unprotect the disk, ./homespan up STACK, and put the node in again"
  return 1
}

# CONFIG_MEMBERSHIP is the one line that says how this node enters the cluster.
config_membership() {
  CONFIG_MEMBERSHIP=
  case $config_mode in
    single) return 0 ;;
    init)
      CONFIG_MEMBERSHIP='cluster-init: true'
      return 0
      ;;
    join) ;;
    *)
      BOOT_ERROR="\`MODE\` in join.conf must be init, join or single, got \"$config_mode\""
      return 1
      ;;
  esac
  if config_member_before; then
    # A line that changed would restart k3s for nothing: the present one stays while it names a server of this cluster.
    if grep -q '^cluster-init: true$' "$config_file" 2>/dev/null; then
      CONFIG_MEMBERSHIP='cluster-init: true'
      return 0
    fi
    config_host=${config_former#https://}
    config_host=${config_host%:6443}
    case " $config_servers " in
      *" ${config_host:-none} "*) CONFIG_SERVER=$config_former ;;
      *) config_any_answers || CONFIG_SERVER=${config_former:-https://${config_servers%% *}:6443} ;;
    esac
  else
    boot_until "$BOOT_BOUND_JOIN" "$BOOT_CAP_REMOTE" config_any_answers || return 1
  fi
  CONFIG_MEMBERSHIP="server: \"$CONFIG_SERVER\""
}

# One round over all servers; CONFIG_SERVER is the first that answers and is ready to be joined. A k3s that starts earlier is told
# to come back, and does so only after 10 to 20 s. First contact happens inside the tailnet and before the cluster's CA is known
# here, hence --insecure; k3s's own first contact has the same trust.
config_any_answers() {
  boot_now
  config_asked=$BOOT_NOW
  BOOT_ERROR="no server answers on port 6443: ${config_servers:-join.conf names none}; start one of them, or, if all are lost, restore the cluster from a snapshot: ./homespan restore"
  for config_candidate in $config_servers; do
    CONFIG_SERVER=https://$config_candidate:6443
    config_server_ready && return 0
  done
  stage_note config "$BOOT_ERROR"
  return 1
}

# The token goes to curl on standard input, never as an argument. Without one there is no more to ask than whether it is there.
config_server_ready() {
  [ -s "$BOOT_DATA/secrets/agent-token" ] || {
    [ "$(config_ask "$CONFIG_SERVER/ping")" != pong ] || return 0
    CONFIG_SERVER=
    return 1
  }
  IFS= read -r config_token <"$BOOT_DATA/secrets/agent-token" || [ -n "$config_token" ]
  config_answer=$(printf 'user = "node:%s"\n' "${config_token##*:}" |
    config_ask --config - "$CONFIG_SERVER/v1-k3s/readyz")
  case $config_answer in
    ok) return 0 ;;
    '')
      CONFIG_SERVER=
      return 1
      ;;
    *nauthorized* | *orbidden* | *"not authorized"*)
      BOOT_ERROR="$CONFIG_SERVER does not accept this cluster's agent token (yet)"
      boot_cap=50
      ;;
    *)
      BOOT_ERROR="$CONFIG_SERVER answers, but is not ready to be joined"
      # It will be within seconds: asked more often from here on, and less often where an answer takes long.
      boot_now
      boot_cap=$(((BOOT_NOW - config_asked) * 4 + 15))
      [ "$boot_cap" -le "$BOOT_CAP_REMOTE" ] || boot_cap=$BOOT_CAP_REMOTE
      ;;
  esac
  return 1
}

config_text() {
  printf '# Written by the boot sequence alone.\n'
  printf 'node-ip: "%s"\n' "$BOOT_ADDRESS"
  printf 'node-external-ip: "%s"\n' "$config_external"
  if [ "$config_role" = server ]; then
    printf 'advertise-address: "%s"\n' "$BOOT_ADDRESS"
    # "+": added to the tls-san of config.yaml instead of replacing it.
    printf 'tls-san+:\n'
    for config_name in "$BOOT_ADDRESS" $config_san; do
      printf '  - "%s"\n' "$config_name"
    done
  fi
  [ -z "$CONFIG_MEMBERSHIP" ] || printf '%s\n' "$CONFIG_MEMBERSHIP"
}

# config_files COMMAND ARG...: COMMAND with the files k3s must be restarted for, those its API server reads at its start among them, as
# far as they are there: not the labels a node registers with once (05-registration.yaml). The provider takes servers one after the
# other for each that is delivered (K3S_CONFIG in provider/resources/node-config.ts). In another order they have another sum.
config_files() {
  config_k3s=$BOOT_DATA/etc/rancher/k3s
  "$@" "$config_k3s/config.yaml" "$config_k3s/config.yaml.d/10-address.yaml" \
    "$config_k3s/config.yaml.d/20-snapshots.yaml" "$config_k3s/registries.yaml" \
    "$config_k3s/admission.yaml" "$config_k3s/audit-policy.yaml" "$config_k3s/flannel.json" 2>/dev/null
}

# CONFIG_CHECKSUM covers them, `server:` aside, which matters for the first contact only.
config_checksum() {
  CONFIG_CHECKSUM=$(config_files sed '/^server: /d' | sha256sum)
  CONFIG_CHECKSUM=${CONFIG_CHECKSUM%% *}
}
