# shellcheck shell=sh disable=SC2034 # BOOT_ERROR is read by the boot files
# The kernel's settings as the kubelet wants them: told to protect them it changes none itself, and does not start with others
# (pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables; https://docs.k3s.io/security/hardening-guide). Sourced by
# machine/boot after the boot files; needs MACHINE_ROOT.

KERNEL_SETTINGS='kernel.keys.root_maxbytes=25000000
kernel.keys.root_maxkeys=1000000
kernel.panic=10
kernel.panic_on_oops=1
vm.overcommit_memory=1
vm.panic_on_oom=0'

# kernel_settle: the settings are in force, and will be when the machine starts again. One that is right is not written: a container's
# are its host's.
kernel_settle() {
  mkdir -p "$MACHINE_ROOT/etc/sysctl.d"
  boot_replace "$MACHINE_ROOT/etc/sysctl.d/90-homespan.conf" <<EOT || return 1
# Homespan: what k3s's kubelet wants of the kernel.
$KERNEL_SETTINGS
EOT
  for kernel_setting in $KERNEL_SETTINGS; do
    kernel_set "${kernel_setting%%=*}" "${kernel_setting#*=}" || return 1
  done
}

# kernel_set KEY VALUE
kernel_set() {
  kernel_file=$MACHINE_ROOT/proc/sys/$(printf '%s' "$1" | tr . /)
  kernel_read
  [ "$kernel_value" != "$2" ] || return 0
  { printf '%s\n' "$2" >"$kernel_file"; } 2>/dev/null
  kernel_former=$kernel_value
  kernel_read
  [ "$kernel_value" != "$2" ] || return 0
  BOOT_ERROR="the kernel's $1 must be $2 for the kubelet, is ${kernel_former:-unknown} and cannot be set"
  return 1
}

# Read in one piece: the kernel gives a number to the first call alone, and `read` asks for each of its digits.
kernel_read() {
  kernel_value=$(cat "$kernel_file" 2>/dev/null) || kernel_value=
}
