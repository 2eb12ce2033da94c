#!/bin/sh
# Takes out what starts a virtual machine that is not there any more: `limactl autostart disable` knows existing ones alone. As that
# one does for the Mac's launchd (cmd/limactl/autostart_darwin.go of Lima 2.2.0), with the same three programs through sudo.
# Argument: its name.
set -eu
label=io.lima-vm.daemon.$1
daemon=${HOMESPAN_ROOT:-}/Library/LaunchDaemons/$label.plist
if [ -e "$daemon" ]; then
  sudo -n launchctl bootout "system/$label" >/dev/null 2>&1 || :
  sudo -n launchctl disable "system/$label" >/dev/null 2>&1 || :
  sudo -n rm -f "$daemon"
fi
# Lima's own `delete` takes these along; a folder that was removed by hand does not.
rm -f "$HOME/Library/LaunchAgents/io.lima-vm.autostart.$1.plist"
unit=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/lima-vm@$1.service
if [ -e "$unit" ]; then
  systemctl --user disable "lima-vm@$1.service" >/dev/null 2>&1 || :
  rm -f "$unit"
fi
