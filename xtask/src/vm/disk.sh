# Makes FOLDER/disk.img of SIZE, with FOLDER/vmlinuz and FOLDER/initrd.img, from the Debian in TREE. The tree is unpacked
# and handed to mkfs.ext4, so neither a loop device nor a mount is needed.
set -eu
root="$FOLDER/root"
mkdir "$root"
tar --extract --numeric-owner --xattrs --xattrs-include='*' --file="$TREE" --directory="$root"

# What mmdebstrap copies from its host, and what each machine gets for itself.
rm -f "$root/etc/resolv.conf" "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/*
: > "$root/etc/machine-id"
echo "$NAME" > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n' "$NAME" > "$root/etc/hosts"
printf '# A site without a nameserver.\n' > "$root/etc/resolv.conf"
mkdir -p "$root$STICK"
cat > "$root/etc/fstab" <<FSTAB
/dev/vda / ext4 errors=remount-ro 0 1
$SWAP none swap sw,noauto 0 0
FSTAB
cat > "$root/etc/network/interfaces" <<INTERFACES
auto lo
iface lo inet loopback

# As Debian's installer has it: a boot does not wait until every device was found.
allow-hotplug $INTERFACE
iface $INTERFACE inet static
    address $ADDRESS/24
INTERFACES

# A disconnected machine updates nothing, and an emulated one has no time for work that nobody waits for.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

cp "$root"/boot/vmlinuz-* "$FOLDER/vmlinuz"
cp "$root"/boot/initrd.img-* "$FOLDER/initrd.img"
truncate --size="$SIZE" "$FOLDER/disk.img"
mkfs.ext4 -q -E root_owner=0:0 -d "$root" "$FOLDER/disk.img"
rm -r "$root"
