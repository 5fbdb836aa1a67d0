//! The state of a machine at one moment, and the differences between two moments.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::machine::Machine;

mod expected;
mod files;
mod network;
mod system;

pub use expected::{EXPECTED_CHANGES, Reach};
use files::Hashes;
pub(crate) use network::tables;

/// Category of a machine's items that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Files, folders and links of the disk: kind, mode, owner, size, content.
    File,
    /// Files, folders and links in memory, below `/run` and `/dev/shm`.
    Runtime,
    /// Mounts: type, source, options, propagation.
    Mount,
    /// Network interfaces.
    Link,
    /// Network addresses.
    Address,
    /// Routes and routing rules.
    Route,
    /// Rules of the packet filter.
    Filter,
    /// Units of systemd.
    Unit,
    /// Settings of the kernel.
    Setting,
    /// Control groups.
    Cgroup,
    /// Processes, by command line.
    Process,
}

impl std::fmt::Display for Category {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::File => "file",
            Self::Runtime => "runtime",
            Self::Mount => "mount",
            Self::Link => "link",
            Self::Address => "address",
            Self::Route => "route",
            Self::Filter => "filter",
            Self::Unit => "unit",
            Self::Setting => "setting",
            Self::Cgroup => "cgroup",
            Self::Process => "process",
        })
    }
}

/// Categories with a name in the filesystem.
const FILES: [Category; 3] = [Category::File, Category::Runtime, Category::Mount];

/// All items of one category, with their values.
pub(crate) type Items = BTreeMap<String, String>;

/// State of a machine at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    items: BTreeMap<Category, Items>,
    /// Digests by inode and change time, so that a later snapshot reads only files changed since.
    hashes: Hashes,
}

impl Snapshot {
    /// Takes a snapshot of a running machine. `known` is an earlier one of the same disk.
    pub(super) fn take(machine: &Machine, known: Option<&Snapshot>) -> Result<Self> {
        let first = machine.first()?;
        let mut items = BTreeMap::new();
        // A program inside reads the settings, so they come first, and processes come last.
        items.insert(Category::Setting, system::settings(machine)?);
        items.insert(Category::Link, network::links(&first)?);
        items.insert(Category::Address, network::addresses(&first)?);
        items.insert(Category::Route, network::routes(&first)?);
        items.insert(Category::Filter, network::filter(&first)?);
        let files = Self::take_files(machine, known)?;
        items.extend(files.items);
        items.insert(Category::Cgroup, system::cgroups(machine)?);
        items.insert(Category::Process, system::processes(&first)?);
        Ok(Self { items, hashes: files.hashes }.without_expected())
    }

    /// Takes a snapshot of only the files, folders and mounts of a running machine.
    pub(super) fn take_files(machine: &Machine, known: Option<&Snapshot>) -> Result<Self> {
        let first = machine.first()?;
        let (files, hashes) = files::disk(&first, known.map(|known| &known.hashes))?;
        let items = BTreeMap::from([
            (Category::Mount, system::mounts(&first)?),
            (Category::File, files),
            (Category::Runtime, files::memory(&first)?),
        ]);
        Ok(Self { items, hashes }.without_expected())
    }

    /// Keeps only files, folders and mounts.
    pub(super) fn files_alone(mut self) -> Self {
        self.items.retain(|category, _| FILES.contains(category));
        self
    }

    /// Creates a snapshot from data that was collected in another way, for any machine.
    pub(crate) fn of(items: BTreeMap<Category, Items>) -> Self {
        Self { items, hashes: Hashes::default() }.without_expected()
    }

    fn without_expected(mut self) -> Self {
        for (category, items) in &mut self.items {
            items.retain(|item, _| !expected::is_expected(*category, item));
        }
        self
    }

    /// Returns the items of one category, with their values.
    pub fn items(&self, category: Category) -> impl Iterator<Item = (&str, &str)> {
        let items = self.items.get(&category).into_iter().flatten();
        items.map(|(item, value)| (item.as_str(), value.as_str()))
    }
}

/// One item that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its category.
    pub category: Category,
    /// Name of the item: a path, an interface, the name of a setting…
    pub item: String,
    /// Earlier value; None if the item did not exist.
    pub before: Option<String>,
    /// Current value; None if the item is gone.
    pub after: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { category, item, .. } = self;
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(formatter, "+ {category} {item}: {after}"),
            (Some(before), None) => write!(formatter, "- {category} {item}: {before}"),
            (Some(before), Some(after)) => write!(formatter, "~ {category} {item}: {before} -> {after}"),
            (None, None) => write!(formatter, "  {category} {item}"),
        }
    }
}

/// All differences between two snapshots, in the order of category and item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The changes.
    pub changes: Vec<Change>,
}

impl Difference {
    /// Compares two snapshots.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let none = Items::new();
        let mut changes = Vec::new();
        let categories = before.items.keys().chain(after.items.keys());
        for category in categories.copied().collect::<std::collections::BTreeSet<_>>() {
            let old = before.items.get(&category).unwrap_or(&none);
            let new = after.items.get(&category).unwrap_or(&none);
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for item in names {
                let (before, after) = (old.get(item), new.get(item));
                if before != after {
                    let (before, after) = (before.cloned(), after.cloned());
                    changes.push(Change { category, item: item.clone(), before, after });
                }
            }
        }
        Self { changes }
    }

    /// Returns true if nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Removes changes of these files and folders and of everything below them.
    #[must_use]
    pub fn outside(mut self, paths: &[&str]) -> Self {
        self.changes.retain(|change| {
            let is_file = FILES.contains(&change.category);
            !(is_file && paths.iter().any(|path| expected::is_below(&change.item, path)))
        });
        self
    }

    /// Returns the changes of one category.
    pub fn of(&self, category: Category) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.category == category)
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(formatter, "{change}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(items: &[(&str, &str)]) -> Snapshot {
        let items = items.iter().map(|(item, value)| ((*item).to_owned(), (*value).to_owned())).collect();
        Snapshot { items: BTreeMap::from([(Category::File, items)]), hashes: Hashes::default() }
    }

    #[test]
    fn additions_removals_changes_are_distinguished() {
        let before = snapshot(&[("/a", "1"), ("/b", "1"), ("/c", "1")]);
        let after = snapshot(&[("/a", "1"), ("/b", "2"), ("/d", "1")]);
        let difference = Difference::between(&before, &after);
        assert_eq!(difference.to_string(), "~ file /b: 1 -> 2\n- file /c: 1\n+ file /d: 1\n");
        assert!(Difference::between(&before, &before).is_empty());
    }

    #[test]
    fn outside_matches_whole_names() {
        let after = snapshot(&[("/var/lib/landfall", "1"), ("/var/lib/landfall/x", "1"), ("/var/lib/landfall-x", "1")]);
        let difference = Difference::between(&snapshot(&[]), &after).outside(&["/var/lib/landfall"]);
        assert_eq!(difference.to_string(), "+ file /var/lib/landfall-x: 1\n");
    }
}
