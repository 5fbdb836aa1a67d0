# Starts a machine: enters its cgroups, makes its namespaces, and runs the script INSIDE as its first process. This process stays
# as the keeper of the machine: when it dies, the kernel kills the machine's first process and with it everything else.
set -eu
for group in $CGROUPS; do echo $$ > "$group/cgroup.procs"; done
exec 9< "/proc/$SWITCH/ns/net"
exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child --propagation private bash "$INSIDE"
