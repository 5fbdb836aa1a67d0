//! A machine with one fault at a time: preflight finds only this fault, with its fix, and nothing once it is fixed.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;

use super::engineer::Engineer;
use super::refusals::NOT_READY;
use super::spoiled::{expect_fault, open_findings, preflight_report};

/// A fault: the lines that cause and fix it, and its findings. Each finding has its name, a part of its measurement,
/// and a part of its fix or of a command. `stops` is true if the fault blocks, or is a warning that must be accepted;
/// other faults leave the machine ready.
struct Fault {
    make: &'static str,
    mend: &'static str,
    found: &'static [(&'static str, &'static str, &'static str)],
    stops: bool,
}

const fn stopping(make: &'static str, mend: &'static str, found: &'static [(&str, &str, &str)]) -> Fault {
    Fault { make, mend, found, stops: true }
}

const fn noted_fault(make: &'static str, mend: &'static str, found: &'static [(&str, &str, &str)]) -> Fault {
    Fault { make, mend, found, stops: false }
}

/// Finding of each memory mount over the data folder, in addition to its own fault.
const IN_MEMORY: (&str, &str, &str) = ("data-filesystem", "tmpfs, which is in memory", "ext4");
const NOT_PERMANENT: (&str, &str, &str) = ("data-mount", "/var/lib/landfall", "/etc/fstab");
const UNMOUNT: &str = "umount /var/lib/landfall && rmdir /var/lib/landfall";

const FAULTS: [Fault; 22] = [
    stopping(
        "systemd-socket-activate --listen=6443 /bin/true > /dev/null 2>&1 & echo $! > /run/fault; \
         until ss -Hltn sport = :6443 | grep -q 6443; do sleep 0.1; done",
        "kill $(cat /run/fault)",
        &[("ports", "6443 (systemd-socket-, process ", "ss -ltnp")],
    ),
    stopping(
        "systemd-socket-activate --listen=31443 /bin/true > /dev/null 2>&1 & echo $! > /run/fault; \
         until ss -Hltn sport = :31443 | grep -q 31443; do sleep 0.1; done",
        "kill $(cat /run/fault)",
        &[("ports", "31443 (systemd-socket-, process ", "ss -lntup")],
    ),
    stopping(
        "systemd-socket-activate --datagram --listen=8472 /bin/true > /dev/null 2>&1 & echo $! > /run/fault; \
         until ss -Hlun sport = :8472 | grep -q 8472; do sleep 0.1; done",
        "kill $(cat /run/fault)",
        &[("ports", "UDP 8472", "ss -lunp")],
    ),
    stopping(
        "ip link add cni0 type bridge",
        "ip link delete cni0",
        &[("other-kubernetes", "the interface cni0", "its own tool")],
    ),
    stopping(
        "mkdir -p /etc/kubernetes/manifests && echo foreign > /etc/kubernetes/admin.conf",
        "rm -r /etc/kubernetes",
        &[("other-kubernetes", "/etc/kubernetes", "its own tool")],
    ),
    stopping(
        "ip route add 10.244.7.0/24 dev eth0",
        "ip route delete 10.244.7.0/24 dev eth0",
        &[("address-ranges", "10.244.7.0/24", "other ranges")],
    ),
    stopping(
        "cat /proc/sys/kernel/hostname > /run/fault; printf Node_1 > /proc/sys/kernel/hostname",
        "cat /run/fault > /proc/sys/kernel/hostname",
        &[("hostname", "node_1", "hostnamectl set-hostname node-1")],
    ),
    stopping(
        "mkdir /var/lib/landfall && mount -t tmpfs -o size=64g,ro tmpfs /var/lib/landfall",
        UNMOUNT,
        &[IN_MEMORY, NOT_PERMANENT, ("read-only", "/var/lib/landfall", "mount -o remount,rw /var/lib/landfall")],
    ),
    stopping(
        "mkdir /var/lib/landfall && mount -t tmpfs -o size=64g,noexec tmpfs /var/lib/landfall",
        UNMOUNT,
        &[IN_MEMORY, NOT_PERMANENT, ("noexec", "/var/lib/landfall", "mount -o remount,exec /var/lib/landfall")],
    ),
    stopping(
        "mkdir /var/lib/landfall && mount -t tmpfs -o size=64m tmpfs /var/lib/landfall",
        UNMOUNT,
        &[IN_MEMORY, NOT_PERMANENT, ("disk-space", "MiB free on the filesystem of /var/lib/landfall", "Free space")],
    ),
    stopping(
        "mkdir /var/lib/landfall && mount -t tmpfs -o size=64g,nr_inodes=100 tmpfs /var/lib/landfall",
        UNMOUNT,
        &[IN_MEMORY, NOT_PERMANENT, ("inodes", "free on the filesystem of /var/lib/landfall", "more inodes")],
    ),
    stopping(
        "sed 's/^MemTotal:.*/MemTotal: 1048576 kB/' /proc/meminfo > /run/fault && mount --bind /run/fault \
         /proc/meminfo",
        "umount /proc/meminfo",
        &[("memory", "1.0 GiB", "as much memory")],
    ),
    noted_fault(
        "sed 's/^SwapTotal:.*/SwapTotal: 1048576 kB/' /proc/meminfo > /run/fault && mount --bind /run/fault \
         /proc/meminfo",
        "umount /proc/meminfo",
        &[("swap", "1.0 GiB", "swapoff --all")],
    ),
    stopping(
        "mount -t tmpfs tmpfs /sys/fs/cgroup && echo cpu memory > /sys/fs/cgroup/cgroup.controllers",
        "umount /sys/fs/cgroup",
        &[("cgroups", "version 2 without cpuset, pids", "controllers enabled")],
    ),
    stopping(
        "mkdir -p /lib/modules/$(uname -r) && : > /lib/modules/$(uname -r)/modules.builtin \
         && mount -t tmpfs tmpfs /sys/module",
        "umount /sys/module && rm -r /lib/modules/$(uname -r)",
        &[("kernel-modules", "vxlan", "package of the operating system")],
    ),
    stopping(
        "echo '# CONFIG_VETH is not set' > /run/fault; if [ -e /proc/config.gz ]; then \
         gzip --force --keep /run/fault && mount --bind /run/fault.gz /proc/config.gz; \
         else mkdir -p /boot && cp /run/fault /boot/config-$(uname -r); fi",
        "umount /proc/config.gz || rm /boot/config-$(uname -r)",
        &[("kernel-options", "CONFIG_VETH", "distribution's own kernel")],
    ),
    noted_fault(
        "mkdir -p /etc/systemd/system/sysinit.target.wants && printf 'flush ruleset\\n' > /etc/nftables.conf \
         && ln -s /lib/systemd/system/nftables.service /etc/systemd/system/sysinit.target.wants/nftables.service",
        "rm /etc/systemd/system/sysinit.target.wants/nftables.service /etc/nftables.conf",
        &[("firewall-flush", "", "flush table")],
    ),
    stopping(
        "mkdir -p /etc/systemd/system/multi-user.target.wants \
         && ln -s /lib/systemd/system/firewalld.service /etc/systemd/system/multi-user.target.wants/firewalld.service",
        "rm /etc/systemd/system/multi-user.target.wants/firewalld.service",
        &[("firewall", "", "firewall-cmd --permanent --zone=trusted --add-source=")],
    ),
    stopping(
        "cp /bin/sleep /root/fapolicyd; /root/fapolicyd 3600 > /dev/null 2>&1 & echo $! > /run/fault; \
         until grep -qx fapolicyd /proc/$(cat /run/fault)/comm; do sleep 0.1; done",
        "kill $(cat /run/fault); rm /root/fapolicyd",
        &[("fapolicyd", "fapolicyd runs", "fagenrules --load")],
    ),
    noted_fault(
        "cp /bin/sleep /root/falcon-sensor; /root/falcon-sensor 3600 > /dev/null 2>&1 & echo $! > /run/fault; \
         until grep -qx falcon-sensor /proc/$(cat /run/fault)/comm; do sleep 0.1; done",
        "kill $(cat /run/fault); rm /root/falcon-sensor",
        &[("endpoint-security", "falcon-sensor", "Exclude /var/lib/landfall")],
    ),
    noted_fault(
        "mv /etc/os-release /etc/os-release.before && printf 'ID=debian\\nVERSION_ID=\"11\"\\n' > /etc/os-release",
        "mv /etc/os-release.before /etc/os-release",
        &[("distribution", "debian 11", "Debian 12")],
    ),
    noted_fault(
        "cp /etc/resolv.conf /run/fault && printf '# none\\n' > /etc/resolv.conf",
        "cat /run/fault > /etc/resolv.conf",
        &[("nameserver", "", "/etc/resolv.conf")],
    ),
];

/// Causes, checks and fixes each fault.
pub(super) fn are_found_one_by_one(engineer: Engineer<'_>) -> Result<()> {
    for Fault { make, mend, found, stops } in FAULTS {
        engineer.machine().run(make)?;
        let report = preflight_report(engineer, if stops { NOT_READY } else { 0 }).with_context(|| make)?;
        let expected: BTreeSet<String> = found.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let open = open_findings(&report)?;
        // Findings about the computer below are excluded.
        ensure!(open.is_subset(&expected), "found {open:?}, and the machine was spoiled with {expected:?} by `{make}`");
        for fault in found {
            expect_fault(&report, *fault).with_context(|| make)?;
        }
        engineer.machine().run(mend)?;
    }
    let open = open_findings(&preflight_report(engineer, 0)?)?;
    ensure!(open.is_empty(), "a repaired machine has findings: {open:?}");
    printer::note(format!("{} faults of one machine were found one by one, each with its fix", FAULTS.len()));
    Ok(())
}
