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
  kernel_holds && return 0
  # shellcheck disable=SC2086 # a number for each
  set -- $kernel_found
  for kernel_setting in $KERNEL_SETTINGS; do
    kernel_file "$kernel_setting"
    [ "${1:-}" = "${kernel_setting#*=}" ] || { printf '%s\n' "${kernel_setting#*=}" >"$kernel_path"; } 2>/dev/null
    [ $# -eq 0 ] || shift
  done
  kernel_holds || kernel_refuses
}

# kernel_file SETTING: kernel_path is where the kernel has it.
kernel_file() {
  kernel_path=${1%%=*}
  while :; do
    case $kernel_path in
      *.*) kernel_path=${kernel_path%%.*}/${kernel_path#*.} ;;
      *) break ;;
    esac
  done
  kernel_path=$MACHINE_ROOT/proc/sys/$kernel_path
}

# True when all are what they must be, by one program. Read in one piece each: the kernel gives a number to the first call alone, and
# the shell's `read` asks for each of its digits.
kernel_holds() {
  set --
  kernel_wanted=
  for kernel_setting in $KERNEL_SETTINGS; do
    kernel_file "$kernel_setting"
    set -- "$@" "$kernel_path"
    kernel_wanted="$kernel_wanted${kernel_wanted:+ }${kernel_setting#*=}"
  done
  kernel_found=$(cat "$@" 2>/dev/null)
  # shellcheck disable=SC2086 # a line for each becomes a word
  set -- $kernel_found
  [ "$*" = "$kernel_wanted" ]
}

# One that is wrong, in BOOT_ERROR.
kernel_refuses() {
  for kernel_setting in $KERNEL_SETTINGS; do
    kernel_file "$kernel_setting"
    kernel_value=$(cat "$kernel_path" 2>/dev/null) || kernel_value=
    [ "$kernel_value" != "${kernel_setting#*=}" ] || continue
    BOOT_ERROR="the kernel's ${kernel_setting%%=*} must be ${kernel_setting#*=} for the kubelet, is ${kernel_value:-unknown} and cannot be set"
    return 1
  done
}
