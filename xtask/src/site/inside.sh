# The first process of a machine: enters its cgroups, plugs it into the switch, assembles its root, becomes systemd.
# The disk is mounted in the machine's own mount namespace only, so mount and loop device go when the machine goes.
set -eu
if [ -z "${IS_INSIDE:-}" ]; then
  for group in $CGROUPS; do echo 0 > "$group/cgroup.procs"; done
  IS_INSIDE=yes exec unshare --cgroup bash "$0"   # what it entered is the root it sees from now on
fi

ip link set lo up
# Sockets that the machine left half-closed keep its old network namespace, and with it its port, for minutes.
nsenter --net=/proc/self/fd/9 ip link delete "port$NUMBER" 2> /dev/null || true
ip link add eth0 address "02:10:99:00:00:$(printf %02x "$NUMBER")" type veth peer name "port$NUMBER" netns /proc/self/fd/9
nsenter --net=/proc/self/fd/9 ip link set "port$NUMBER" master switch up
exec 9<&-
ip address add "$ADDRESS/24" dev eth0
echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad   # or its own address appears a second after the boot
ip link set eth0 up
if [ -n "$GATEWAY" ]; then ip route add default via "$GATEWAY"; fi

mount -o loop "$DISK" "$ROOT"
cd "$ROOT"
if [ -n "$MACHINE_ID" ]; then   # the first boot: what makes this machine itself
  echo "$MACHINE_ID" > etc/machine-id
  echo "$NAME" > etc/hostname
  printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n' "$NAME" > etc/hosts
  if [ -n "$NAMESERVER" ]; then echo "nameserver $NAMESERVER" > etc/resolv.conf; fi
  sync -f .
fi

mount -t proc -o nosuid,nodev,noexec proc proc
if [ -e proc/sysrq-trigger ]; then mount --bind /dev/null proc/sysrq-trigger; fi   # it would reach the host
# Settings that the kernel has once, for all machines: each has files of its own instead, which begin anew at every boot.
mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs mnt
for setting in $SETTINGS; do
  name=${setting%%=*}
  echo "${setting#*=}" > "mnt/${name//\//.}"
  mount --bind "mnt/${name//\//.}" "proc/sys/$name"
done
umount -l mnt
# Read-only, as systemd's container interface has it: devices are the host's business.
mount -t sysfs -o nosuid,nodev,noexec,ro sysfs sys
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs run
mount -t tmpfs -o nosuid,size=4m,mode=755 tmpfs dev
node() { mknod -m "$2" "dev/$1" c "$3" "$4"; }
node null 666 1 3; node zero 666 1 5; node full 666 1 7; node random 666 1 8; node urandom 666 1 9
node tty 666 5 0; node kmsg 644 1 11; node fuse 666 10 229
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for descriptor in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${descriptor%:*}" "dev/${descriptor#*:}"; done
if [ -d /lib/modules ]; then
  mkdir -p usr/lib/modules
  mount --bind /lib/modules usr/lib/modules
  mount -o remount,bind,ro usr/lib/modules
fi
if [ -n "$STICK" ]; then
  mount --bind "$STICK" media/stick
  mount -o remount,bind,ro,nosuid,nodev media/stick
fi

if [ "$CGROUP_VERSION" = 2 ]; then
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs sys/fs/cgroup
  for controller in $CONTROLLERS; do
    mkdir "sys/fs/cgroup/$controller"
    mount -t cgroup -o "nosuid,nodev,noexec,$controller" cgroup "sys/fs/cgroup/$controller"
  done
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup sys/fs/cgroup/systemd
fi

hostname "$NAME"
pivot_root . mnt
umount -l /mnt
mount --make-rshared /
exec env -i container=landfall-site PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init < /dev/null
