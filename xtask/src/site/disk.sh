# Makes FOLDER/disk.img of SIZE from the Debian in TREE. Runs in a mount namespace of its own, so the loop device frees
# itself when this ends, however it ends.
set -eu
mkdir "$FOLDER/root"
truncate --size="$SIZE" "$FOLDER/disk.img"
mkfs.ext4 -q "$FOLDER/disk.img"
mount -o loop "$FOLDER/disk.img" "$FOLDER/root"
cd "$FOLDER/root"
tar --extract --numeric-owner --xattrs --xattrs-include='*' --file="$TREE"

# What mmdebstrap bakes in from its host, and what each machine gets of its own.
rm -f etc/resolv.conf etc/hostname etc/apt/sources.list etc/apt/sources.list.d/* var/lib/systemd/random-seed
: > etc/machine-id
ln -sf /etc/machine-id var/lib/dbus/machine-id
printf '# A site without a nameserver.\n' > etc/resolv.conf
mkdir -p media/stick

# The kernel's log is the host's; the journal keeps to the machine.
mkdir -p etc/systemd/journald.conf.d
printf '[Journal]\nReadKMsg=no\n' > etc/systemd/journald.conf.d/machine.conf
# A test that runs at night must not meet a backup that it did not ask for.
mkdir -p etc/systemd/system/landfall-backup.timer.d
printf '[Timer]\nOnCalendar=\nOnCalendar=2099-01-01\n' > etc/systemd/system/landfall-backup.timer.d/asked.conf

# Nobody logs in here; a disconnected site updates nothing; the kernel's own debugging is the host's.
ln -sf /usr/lib/systemd/system/multi-user.target etc/systemd/system/default.target
for unit in getty.target console-getty.service getty-static.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done
cd /
umount "$FOLDER/root"
