//! Changes that a Debian makes on its own while running and booting. All others count as differences.

use super::Category;

/// Scope of an entry in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only this item.
    Item,
    /// The path and everything below it.
    Below,
    /// Every name with this prefix.
    Beginning,
}

use Reach::{Beginning, Below, Item};

/// Files, settings and groups that change on their own, each with its reason.
pub const EXPECTED_CHANGES: &[(Category, Reach, &str, &str)] = &[
    (Category::File, Below, "/var/log/journal", "the journal's own growth"),
    (Category::File, Below, "/var/log/wtmp", "record of boots"),
    (Category::File, Beginning, "/tmp/systemd-private-", "systemd's own folders for services, renamed at every boot"),
    (Category::File, Beginning, "/var/tmp/systemd-private-", "the same"),
    (Category::File, Below, "/var/lib/systemd/random-seed", "renewed by every boot"),
    (Category::File, Below, "/var/lib/systemd/timers", "when timers last ran"),
    (Category::Runtime, Below, "/run/systemd/journal", "the journal's own files"),
    (Category::Runtime, Item, "/run/systemd/transient", "stays, empty, once there was a transient unit"),
    (Category::Runtime, Below, "/run/systemd/units", "invocation numbers of units"),
    (Category::Runtime, Below, "/run/log/journal", "the journal until the disk is mounted"),
    (Category::Runtime, Below, "/run/utmp", "record of this boot"),
    (Category::Setting, Item, "fs.aio-nr", "counter, of the whole host"),
    (Category::Setting, Item, "fs.dentry-state", "counter"),
    (Category::Setting, Item, "fs.file-nr", "counter"),
    (Category::Setting, Item, "fs.inode-nr", "counter"),
    (Category::Setting, Item, "fs.inode-state", "counter"),
    (Category::Setting, Beginning, "fs.quota.", "counters"),
    (Category::Setting, Item, "kernel.hung_task_detect_count", "counter, of the whole host"),
    (Category::Setting, Item, "kernel.ns_last_pid", "counter"),
    (Category::Setting, Item, "kernel.perf_event_max_sample_rate", "the kernel lowers it when it is busy"),
    (Category::Setting, Item, "kernel.pty.nr", "counter"),
    (Category::Setting, Beginning, "kernel.random.", "fresh at every reading"),
    (Category::Setting, Item, "kernel.tainted", "the whole host's; the kernel sets it after a warning of its own"),
    (Category::Setting, Item, "net.netfilter.nf_conntrack_count", "counter"),
    (Category::Cgroup, Below, "session", "where this tool runs its own programs"),
];

/// Returns true for items on the list.
pub fn is_expected(category: Category, item: &str) -> bool {
    // The names of groups begin with their hierarchy.
    let item = if category == Category::Cgroup { item.split_once(' ').map_or(item, |(_, path)| path) } else { item };
    let listed = EXPECTED_CHANGES.iter().filter(|(listed, ..)| *listed == category);
    listed.map(|(_, reach, name, _)| (reach, *name)).any(|(reach, name)| match reach {
        Item => item == name,
        Below => is_below(item, name),
        Beginning => item.starts_with(name),
    })
}

/// Returns true for the path itself and for everything below it.
pub fn is_below(item: &str, path: &str) -> bool {
    item.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_list_matches_exactly() {
        assert!(is_expected(Category::Runtime, "/run/systemd/transient"));
        assert!(!is_expected(Category::Runtime, "/run/systemd/transient/left.scope"));
        assert!(is_expected(Category::File, "/var/log/journal/id/system.journal"));
        assert!(!is_expected(Category::File, "/var/log/landfall"));
        assert!(!is_expected(Category::Runtime, "/var/log/journal"));
        assert!(is_expected(Category::Cgroup, "pids session"));
        assert!(!is_expected(Category::Cgroup, "pids kubepods/session"));
        assert!(is_expected(Category::Setting, "kernel.random.uuid"));
        assert!(!is_expected(Category::Setting, "fs.file-max"));
    }
}
