//! The state of a virtual machine at one moment, read from inside, because it has its own kernel.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::site::{Category, Difference, Items, Snapshot, tables};

/// Command that lists the files on the disk, and in memory below `/run` and `/dev/shm`.
const LIST: &str = r"find / -xdev -printf '%y\t%m\t%U:%G\t%s\t%i-%C@\t%l\t%p\0'; \
    find /run /dev/shm -mindepth 1 -xdev -printf '%y\t%m\t%U:%G\t%s\t%i-%C@\t%l\t%p\0' 2> /dev/null || true";

/// Command that prints digests of the files named on its standard input.
const HASH: &str = "xargs --null --no-run-if-empty sha256sum --zero --";

/// Command that loads modules with settings. No uninstall unloads a module, so both moments have them.
const MODULES: &str = "modprobe --all br_netfilter nf_conntrack overlay vxlan";

/// Workers of systemd's device manager, which start and end at any time.
const UDEV_WORKER: &str = "(udev-worker)";

/// Items that change on their own on this machine, in addition to those of every Debian.
const RESTLESS: &[(Category, &str)] = &[
    (Category::Runtime, "/run/udev"),
    (Category::Runtime, "/run/systemd"),
    (Category::Runtime, "/run/log"),
    (Category::Runtime, "/run/credentials"),
    (Category::Runtime, "/run/user"),
    (Category::Runtime, "/run/motd.dynamic"),
    (Category::Runtime, "/run/initctl"),
    // Identity from the first boot, before systemd has written it to the disk.
    (Category::Runtime, "/run/machine-id"),
    (Category::File, "/var/lib/logrotate"),
    (Category::File, "/var/log/lastlog"),
    (Category::File, "/tmp"),
    (Category::File, "/var/tmp"),
];

/// A snapshot, with digests that a later one need not compute again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moment {
    snapshot: Snapshot,
    /// Digests by inode, change time and size.
    digests: BTreeMap<String, String>,
}

impl Moment {
    /// Takes a snapshot of a running machine. `known` is an earlier one of the same disk.
    pub fn of(machine: &mut Machine, known: Option<&Self>) -> Result<Self> {
        // Processes come first, before the processes of this snapshot itself.
        let processes = processes(&machine.run("ps --ppid 2 -p 2 --deselect --no-headers -o args=")?);
        machine.run(MODULES)?;
        let network = [
            (Category::Link, by_first_word(&machine.run("ip -brief link show")?)),
            (Category::Address, by_first_word(&machine.run("ip -brief address show")?)),
            (Category::Route, routes(machine)?),
            (Category::Filter, tables(&machine.run("nft --stateless list ruleset")?)),
        ];
        let mut items = BTreeMap::from(network);
        items.insert(Category::Process, processes);
        items.insert(
            Category::Mount,
            mounts(&machine.run("findmnt --raw --noheadings -o TARGET,FSTYPE,SOURCE,OPTIONS")?),
        );
        items.insert(Category::Unit, units(machine)?);
        items.insert(Category::Setting, settings(&machine.run("sysctl --all 2> /dev/null || true")?));
        items.insert(Category::Cgroup, present(&machine.run("cd /sys/fs/cgroup && find . -mindepth 1 -type d")?));
        let (files, runtime, digests) = files(machine, known)?;
        items.insert(Category::File, files);
        items.insert(Category::Runtime, runtime);
        for (category, path) in RESTLESS {
            let below = format!("{path}/");
            let kept = items.get_mut(category).context("a category without items")?;
            kept.retain(|item, _| item != path && !item.starts_with(&below));
        }
        Ok(Self { snapshot: Snapshot::of(items), digests })
    }

    /// Returns the differences.
    pub fn difference(&self, now: &Self) -> Difference {
        Difference::between(&self.snapshot, &now.snapshot)
    }
}

/// One line of the list of files.
struct FileEntry<'a> {
    kind: &'a str,
    mode: &'a str,
    owner: &'a str,
    size: &'a str,
    /// Inode and change time.
    version: &'a str,
    target: &'a str,
    path: &'a str,
}

impl<'a> FileEntry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(7, '\t');
        let mut next = || fields.next();
        let (kind, mode, owner, size) = (next()?, next()?, next()?, next()?);
        Some(Self { kind, mode, owner, size, version: next()?, target: next()?, path: next()? })
    }

    fn is_in_memory(&self) -> bool {
        ["/run/", "/dev/shm/"].iter().any(|top| self.path.starts_with(top))
    }

    fn key(&self) -> String {
        format!("{}-{}", self.version, self.size)
    }

    /// Describes everything but its time. A folder's size and a swap file's content are ignored.
    fn describe(&self, digest: Option<&String>) -> String {
        let Self { kind, mode, owner, size, target, .. } = self;
        match (*kind, digest) {
            ("f", Some(digest)) => format!("file {mode} {owner} {size} bytes {digest}"),
            ("f", None) => format!("file {mode} {owner}"),
            ("l", _) => format!("link to {target}"),
            ("d", _) => format!("folder {mode} {owner}"),
            _ => format!("{kind} {mode} {owner}"),
        }
    }
}

type FoundFiles = (Items, Items, BTreeMap<String, String>);

fn files(machine: &mut Machine, known: Option<&Moment>) -> Result<FoundFiles> {
    let listed = machine.run(LIST)?;
    let listed: Vec<FileEntry<'_>> = listed.split('\0').filter_map(FileEntry::parse).collect();
    ensure!(listed.len() > 1000, "only {} files were found", listed.len());
    let is_hashed = |file: &&FileEntry<'_>| file.kind == "f" && !file.is_in_memory() && file.path != super::image::SWAP;
    let mut digests = BTreeMap::new();
    let mut unknown = Vec::new();
    for file in listed.iter().filter(is_hashed) {
        match known.and_then(|known| known.digests.get(&file.key())) {
            Some(digest) => {
                digests.insert(file.key(), digest.clone());
            }
            None => unknown.push(file),
        }
    }
    let names: String = unknown.iter().flat_map(|file| [file.path, "\0"]).collect();
    // A vanished file has no digest, which is itself a difference.
    let hashed = machine.feed(HASH, names.as_bytes())?.stdout;
    let by_path: BTreeMap<&str, &str> = hashed.split('\0').filter_map(|line| swap(line.split_once("  "))).collect();
    for file in unknown {
        if let Some(digest) = by_path.get(file.path) {
            digests.insert(file.key(), digest[..32].to_owned());
        }
    }
    let (mut disk, mut memory) = (Items::new(), Items::new());
    for file in &listed {
        let items = if file.is_in_memory() { &mut memory } else { &mut disk };
        items.insert(file.path.to_owned(), file.describe(digests.get(&file.key())));
    }
    Ok((disk, memory, digests))
}

fn swap<'a>(pair: Option<(&'a str, &'a str)>) -> Option<(&'a str, &'a str)> {
    pair.map(|(one, two)| (two, one))
}

fn by_first_word(text: &str) -> Items {
    let pairs = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    pairs.map(|(name, rest)| (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

fn present(text: &str) -> Items {
    text.lines().map(|line| (format!("v2 {}", line.trim_start_matches("./")), "present".to_owned())).collect()
}

fn routes(machine: &mut Machine) -> Result<Items> {
    let mut items = Items::new();
    for arguments in ["-4 route show table all", "-6 route show table all", "-4 rule show", "-6 rule show"] {
        for line in machine.run(&format!("ip {arguments}"))?.lines() {
            items.insert(format!("{arguments}: {}", line.trim()), "present".to_owned());
        }
    }
    Ok(items)
}

/// Returns mounts by mount point. Several mounts on one point are numbered.
fn mounts(text: &str) -> Items {
    let mut items = Items::new();
    for (point, rest) in text.lines().filter_map(|line| line.split_once(' ')) {
        let mut name = point.to_owned();
        let mut count = 1;
        while items.contains_key(&name) {
            count += 1;
            name = format!("{point} ({count})");
        }
        items.insert(name, without_numbers_of_a_boot(rest));
    }
    items
}

/// Returns a mount without options that differ between boots: an automount names a pipe of systemd by descriptor and
/// inode.
fn without_numbers_of_a_boot(mount: &str) -> String {
    if !mount.starts_with("autofs ") {
        return mount.to_owned();
    }
    let is_chosen = |option: &&str| !["fd=", "pgrp=", "pipe_ino="].iter().any(|name| option.starts_with(name));
    mount.split(',').filter(is_chosen).collect::<Vec<_>>().join(",")
}

/// Returns unit files with their state, and systemd's services, slices, scopes and sockets.
fn units(machine: &mut Machine) -> Result<Items> {
    let mut items = by_first_word(&machine.run("systemctl list-unit-files --no-legend --no-pager")?);
    let loaded =
        "systemctl list-units --all --plain --no-legend --no-pager --type=service,slice,scope,socket,timer,mount";
    let loaded = machine.run(loaded)?;
    let names = loaded.lines().filter_map(|line| line.split_whitespace().next());
    items.extend(names.map(|name| (format!("{name} (loaded)"), "present".to_owned())));
    Ok(items)
}

fn settings(text: &str) -> Items {
    let mut items = Items::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let content: &mut String = items.entry(name.trim().to_owned()).or_default();
        content.push_str(value.trim());
    }
    items
}

/// Returns processes by command line, with their number, except those of this snapshot.
fn processes(text: &str) -> Items {
    let mut counts = BTreeMap::<&str, u32>::new();
    let is_of_the_look = |line: &str| line.starts_with("ps --ppid") || line.contains("bash -c ps");
    for line in text.lines().map(str::trim).filter(|line| !is_of_the_look(line) && *line != UDEV_WORKER) {
        *counts.entry(line).or_default() += 1;
    }
    counts.into_iter().map(|(line, count)| (line.to_owned(), count.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_description_ignores_time() {
        let line = "f\t644\t0:0\t5\t77-1793491200.5\t\t/etc/a b";
        let later = "f\t644\t0:0\t5\t77-1793491300.5\t\t/etc/a b";
        let (one, two) = (FileEntry::parse(line).unwrap(), FileEntry::parse(later).unwrap());
        let digest = "00".to_owned();
        assert_eq!(one.describe(Some(&digest)), "file 644 0:0 5 bytes 00");
        assert_eq!(one.describe(Some(&digest)), two.describe(Some(&digest)));
        assert_ne!(one.key(), two.key(), "a changed file must be hashed again");
        assert_eq!(FileEntry::parse("l\t777\t0:0\t3\t8-1\tb\t/etc/l").unwrap().describe(None), "link to b");
    }

    #[test]
    fn inspection_processes_are_excluded() {
        let text = "/sbin/init\n(udev-worker)\n/bin/bash -c ps --ppid 2\nps --ppid 2 -p 2\nkubelet\nkubelet\n";
        let items = processes(text);
        assert_eq!(items, [("/sbin/init", "1"), ("kubelet", "2")].map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    }

    #[test]
    fn stacked_mounts_are_distinguished() {
        let items = mounts("/a tmpfs tmpfs rw\n/a ext4 /dev/vda rw\n");
        assert_eq!(items.keys().collect::<Vec<_>>(), ["/a", "/a (2)"]);
    }

    #[test]
    fn automount_is_stable_across_boots() {
        let mounted =
            |pipe: &str| mounts(&format!("/b autofs systemd-1 rw,fd=41,pgrp=1,maxproto=5,direct,pipe_ino={pipe}\n"));
        assert_eq!(mounted("511"), mounted("645"));
        assert_eq!(mounted("511")["/b"], "autofs systemd-1 rw,maxproto=5,direct");
        assert_ne!(mounts("/b ext4 a rw,fd=1\n"), mounts("/b ext4 a rw,fd=2\n"));
    }

    #[test]
    fn iptables_tables_are_included() {
        let rules = "table ip mangle {\n\tchain KUBE-KUBELET-CANARY {\n\t}\n}\ntable inet mine {\n}\n";
        assert_eq!(tables(rules).keys().collect::<Vec<_>>(), ["table inet mine", "table ip mangle"]);
    }
}
