//! What a Debian changes by itself, by running and booting; everything else counts as a difference.

use super::Category;

/// Files, settings and groups that change without anybody's doing, each with its reason. A name covers what is below it
/// as a path; one that ends in `*` covers every name that begins so.
pub const EXPECTED_CHANGES: &[(Category, &str, &str)] = &[
    (Category::File, "/var/log/journal", "the journal's own growth"),
    (Category::File, "/var/log/wtmp", "record of boots"),
    (Category::File, "/tmp/systemd-private-*", "systemd's own folders for services, named anew at every boot"),
    (Category::File, "/var/tmp/systemd-private-*", "the same"),
    (Category::File, "/var/lib/systemd/random-seed", "renewed by every boot"),
    (Category::File, "/var/lib/systemd/timers", "when timers last ran"),
    (Category::Runtime, "/run/systemd/journal", "the journal's own files"),
    (Category::Runtime, "/run/systemd/units", "invocation numbers of units"),
    (Category::Runtime, "/run/log/journal", "the journal before the disk is there"),
    (Category::Runtime, "/run/utmp", "record of this boot"),
    (Category::Setting, "fs.dentry-state", "counter"),
    (Category::Setting, "fs.file-nr", "counter"),
    (Category::Setting, "fs.inode-nr", "counter"),
    (Category::Setting, "fs.inode-state", "counter"),
    (Category::Setting, "fs.quota.*", "counters"),
    (Category::Setting, "kernel.ns_last_pid", "counter"),
    (Category::Setting, "kernel.pty.nr", "counter"),
    (Category::Setting, "kernel.random.*", "fresh at every reading"),
    (Category::Setting, "net.netfilter.nf_conntrack_count", "counter"),
    (Category::Cgroup, "session", "where this tool runs its own programs"),
];

/// True for what is on the list.
pub fn is_expected(category: Category, item: &str) -> bool {
    // Groups have their hierarchy in front.
    let item = if category == Category::Cgroup { item.split_once(' ').map_or(item, |(_, path)| path) } else { item };
    let listed = EXPECTED_CHANGES.iter().filter(|(listed, ..)| *listed == category);
    listed.map(|(_, name, _)| name).any(|name| match name.strip_suffix('*') {
        Some(beginning) => item.starts_with(beginning),
        None => is_below(item, name),
    })
}

/// True for the path itself and for everything below it.
pub fn is_below(item: &str, path: &str) -> bool {
    item.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
