#!/bin/sh
# What a machine is like that is to run virtual machines with Lima, one KEY=value per line. Leaves nothing behind.
# Arguments: "vmnet" when a network of socket_vmnet's is wanted, "boot" or "login" when virtual machines are to start by themselves.
set -u
one_line() {
  tr '\n' ' ' | sed 's/ *$//'
}

# What `limactl autostart enable --condition=boot` and `disable` run as root, on a file of its own: true where none of it takes a
# password. Asking sudo is no way to know: as soon as any of the user's entries takes no password, `sudo -l PROGRAM` says yes to
# programs that take one, too (listpw in sudoers(5)), and with -ll it names no entry in sudo 1.9.13. With -k a password counts for
# nothing that was typed before.
sudo_starts() {
  folder=$(mktemp -d "${TMPDIR:-/tmp}/homespan.XXXXXX") || return 1
  : >"$folder/draft"
  sudo -n -k launchctl version &&
    sudo -n -k install -m 644 "$folder/draft" "$folder/plist" &&
    sudo -n -k rm -f "$folder/plist"
  allowed=$?
  rm -rf "$folder"
  return "$allowed"
}

echo PROBE=1
echo "OS=$(uname -s)"
echo "ARCHITECTURE=$(uname -m)"
echo "USER_ID=$(id -u)"
echo "USER_NAME=$(id -un)"
if [ "$(uname -s)" = Darwin ]; then
  echo "OS_VERSION=$(sw_vers -productVersion)"
  echo "MEMORY_BYTES=$(sysctl -n hw.memsize)"
  echo "CPUS=$(sysctl -n hw.ncpu)"
  # A program for Intel on an Apple processor says x86_64 of the machine too.
  echo "TRANSLATED=$(sysctl -n sysctl.proc_translated 2>/dev/null)"
else
  echo "OS_VERSION=$(uname -r)"
  echo "MEMORY_BYTES=$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)"
  echo "CPUS=$(getconf _NPROCESSORS_ONLN)"
  kvm=no
  [ ! -w /dev/kvm ] || kvm=yes
  echo "KVM=$kvm"
  echo "LINGER=$(loginctl show-user "$(id -un)" --property=Linger --value 2>/dev/null)"
fi
lima_home=${LIMA_HOME:-$HOME/.lima}
echo "LIMA_HOME=$lima_home"
space=$lima_home
[ -d "$space" ] || space=$HOME
echo "FREE_KIB=$(df -Pk "$space" | awk 'NR == 2 { print $4 }')"
echo "LIMA=$(limactl --version 2>/dev/null | sed -n 's/^limactl version //p')"
machine=$(uname -m)
[ "$machine" != arm64 ] || machine=aarch64
echo "QEMU=$(command -v "qemu-system-$machine" 2>/dev/null)"
for wanted in "$@"; do
  case $wanted in
    vmnet)
      if said=$(limactl sudoers --check 2>&1 </dev/null); then
        echo VMNET=ok
      else
        echo "VMNET=$(printf '%s\n' "$said" | sed -n 's/.*level=fatal msg="\(.*\)"$/\1/p' | one_line)"
      fi
      ;;
    boot)
      boot=no
      ! sudo_starts >/dev/null 2>&1 </dev/null || boot=yes
      echo "SUDO_BOOT=$boot"
      ;;
  esac
done
exit 0
