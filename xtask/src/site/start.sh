# Starts a machine: makes its namespaces and runs the script INSIDE as its first process. This process stays as the keeper
# of the machine, outside its cgroups: when it dies, the kernel kills the machine's first process and with it the rest.
set -eu
exec 9< "/proc/$SWITCH/ns/net"
exec unshare --mount --uts --ipc --net --pid --fork --kill-child --propagation private bash "$INSIDE"
