# shellcheck shell=sh disable=SC2034 # variables are read by the other boot files
# Pods without VXLAN (`podNetwork: routes`): this node announces itself to the tailnet as the route to its own pods, and takes the routes
# to those of the others. Sourced by sequence.sh's carrier, before sequence.sh.

ROUTES_BOUND_SUBNET=120

routes_wanted() {
  boot_value "$BOOT_DATA/join.conf" POD_NETWORK || return 1
  [ "$BOOT_VALUE" = routes ]
}

# ROUTES_SUBNET is the network of this node's pods. flannel says it, each time it starts.
routes_subnet() {
  ROUTES_SUBNET=
  ! [ -r "$BOOT_DATA/rancher/k3s/agent/pod-subnet" ] || IFS= read -r ROUTES_SUBNET <"$BOOT_DATA/rancher/k3s/agent/pod-subnet"
  case $ROUTES_SUBNET in
    */*[!0-9]* | *[!0-9./]*) ;;
    [0-9]*/[0-9]*) return 0 ;;
  esac
  BOOT_ERROR='flannel has not said which network the pods of this node are in'
  return 1
}

# Said again each time: what a login or a hand changed is right again. The addresses of pods stay as they are on their way, as network
# policies judge by them; and tailscaled puts no jumps to its chains in front of k3s's, which would let all through that comes from the
# tailnet before a network policy is asked. Back to VXLAN, all of it is taken back.
routes_settle() {
  routes_kept=$BOOT_DATA/boot/routes
  if routes_wanted; then
    boot_until "$ROUTES_BOUND_SUBNET" "$BOOT_CAP_LOCAL" routes_subnet || return 1
    routes_set --accept-routes --snat-subnet-routes=false --netfilter-mode=nodivert --advertise-routes="$ROUTES_SUBNET" || return 1
    printf '%s\n' "$ROUTES_SUBNET" | boot_replace "$routes_kept"
  elif [ -e "$routes_kept" ]; then
    routes_set --accept-routes=false --snat-subnet-routes --netfilter-mode=on --advertise-routes= || return 1
    rm -f "$routes_kept"
  fi
}

routes_set() {
  routes_said=$(driver_tailscale set "$@" 2>&1 </dev/null) && return 0
  BOOT_ERROR="tailscale set: $routes_said"
  return 1
}

# ROUTES_FLAGS for `tailscale up`, which refuses to go back on a setting it is not told of.
routes_flags() {
  ROUTES_FLAGS=--accept-routes=false
  [ -r "$BOOT_DATA/boot/routes" ] && IFS= read -r routes_last <"$BOOT_DATA/boot/routes" || return 0
  ROUTES_FLAGS="--accept-routes --snat-subnet-routes=false --netfilter-mode=nodivert --advertise-routes=$routes_last"
}
