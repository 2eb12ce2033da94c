# shellcheck shell=sh disable=SC2034 # variables are read by the files that source this one
# Where everything is on this machine. Sourced by a script of the library's machine/.
MACHINE_ROOT=${HOMESPAN_ROOT:-}
# The library is where the script is: not below /usr where that is read-only.
MACHINE_LIB=${0%/machine/*}
MACHINE_ETC=$MACHINE_ROOT/etc/homespan
MACHINE_RUN=$MACHINE_ROOT/run/homespan
MACHINE_STATE=$MACHINE_ROOT/var/lib/homespan
BOOT_DATA=$MACHINE_ROOT/data
[ ! -h "$MACHINE_LIB/data" ] || BOOT_DATA=$MACHINE_ROOT$(readlink "$MACHINE_LIB/data")
