#!/bin/sh
# When a virtual machine starts by itself, by what `limactl autostart` left: boot, login or off. Argument: its name.
set -eu
units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
if [ -e "/Library/LaunchDaemons/io.lima-vm.daemon.$1.plist" ]; then
  echo boot
elif [ -e "$HOME/Library/LaunchAgents/io.lima-vm.autostart.$1.plist" ] || [ -e "$units/lima-vm@$1.service" ]; then
  echo login
else
  echo off
fi
