//! Removal of cache entries: those unused for a long time and, if the cache is too large, the least recently used ones.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::{Cache, remove_folder};
use crate::printer;

/// File whose modification time is that of the last check.
const MARKER: &str = "pruned";

/// Time between two checks.
const PERIOD: Duration = Duration::from_hours(24);

/// Limits of the cache.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time after which an unused entry is removed.
    pub unused: Duration,
    /// Maximum size on the disk, in bytes. The most recently used entries are kept.
    pub total_bytes: u64,
    /// Time after its last use within which an entry is always kept, because a running command may need it.
    pub in_use: Duration,
}

/// Default limits: a month, and three times the size of a full set of everything.
pub const LIMITS: Limits =
    Limits { unused: Duration::from_hours(30 * 24), total_bytes: 40 << 30, in_use: Duration::from_hours(24) };

/// One entry, or the leftovers of a build that died.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    path: PathBuf,
    /// Name of the lock under which the entry is built.
    lock: String,
    used: SystemTime,
    bytes: u64,
    is_finished: bool,
}

/// Checks the entries at most once a day. Returns the number of removed entries.
pub fn daily(cache: &Cache) -> Result<usize> {
    let marker = cache.root().join(MARKER);
    let last = marker.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let now = SystemTime::now();
    if now.duration_since(last).is_ok_and(|since| since < PERIOD) {
        return Ok(0);
    }
    let removed = prune(cache, LIMITS, now)?;
    std::fs::File::create(&marker).with_context(|| format!("cannot mark {}", marker.display()))?;
    Ok(removed)
}

/// Removes entries beyond the limits. Skips an entry that is being built, or is being checked by another call.
pub fn prune(cache: &Cache, limits: Limits, now: SystemTime) -> Result<usize> {
    let mut removed = 0;
    for item in superfluous(items(cache)?, limits, now) {
        let Some(_lock) = cache.try_lock(&item.lock)? else { continue };
        remove(&item)?;
        removed += 1;
        printer::note(format_args!(
            "cache: removed {} ({} MB), unused for a long time",
            item.path.display(),
            item.bytes >> 20
        ));
    }
    Ok(removed)
}

/// Returns the items to remove. This function is pure.
fn superfluous(mut items: Vec<Item>, limits: Limits, now: SystemTime) -> Vec<Item> {
    items.sort_by_key(|item| std::cmp::Reverse(item.used));
    let mut kept_bytes = 0_u64;
    items.retain(|item| {
        // If the clock was set back, last uses are in the future; they count as recent.
        let unused = now.duration_since(item.used).unwrap_or_default();
        let is_kept = unused < limits.in_use
            || (item.is_finished && unused < limits.unused && kept_bytes + item.bytes <= limits.total_bytes);
        kept_bytes += if is_kept { item.bytes } else { 0 };
        !is_kept
    });
    items
}

/// Removes an entry, which is first renamed so that a partial one is never found.
#[expect(clippy::disallowed_methods, reason = "the cache syncs on its own, and what is removed need not be")]
fn remove(item: &Item) -> Result<()> {
    let name = item.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let doomed = item.path.with_file_name(format!("unfinished-{}", name.trim_start_matches(UNFINISHED)));
    if doomed != item.path {
        remove_folder(&doomed)?;
        std::fs::rename(&item.path, &doomed).with_context(|| format!("cannot rename {}", item.path.display()))?;
    }
    remove_folder(&doomed)
}

const UNFINISHED: &str = "unfinished-";

/// Returns every entry: folders named after a digest, in folders named after a kind. Anything else in the cache is
/// ignored.
fn items(cache: &Cache) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for kind in folders(cache.root())? {
        let kind_name = kind.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for path in folders(&kind)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let digest = name.trim_start_matches(UNFINISHED);
            if digest.len() != 32 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                continue;
            }
            let used = path.metadata().and_then(|metadata| metadata.modified())?;
            let (lock, is_finished) = (format!("{kind_name}-{digest}"), digest == name);
            items.push(Item { bytes: bytes_in(&path), path, lock, used, is_finished });
        }
    }
    Ok(items)
}

/// Returns the folders in a folder. Links are not followed, because they lead to another cache.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    Ok(entries.flatten().filter(is_folder).map(|entry| entry.path()).collect())
}

/// Returns the bytes used on the disk, without holes. Files that vanish during the count are ignored.
fn bytes_in(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Key;

    const DAY: Duration = Duration::from_hours(24);

    fn item(name: &str, days: u32, bytes: u64) -> Item {
        let used = SystemTime::now() - DAY * days;
        Item { path: name.into(), lock: name.to_owned(), used, bytes, is_finished: true }
    }

    fn names(items: Vec<Item>) -> Vec<String> {
        let limits = Limits { unused: DAY * 30, total_bytes: 100, in_use: DAY };
        let mut names: Vec<String> =
            superfluous(items, limits, SystemTime::now()).iter().map(|item| item.path.display().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn unused_and_excess_entries_are_pruned() {
        assert_eq!(names(vec![item("new", 2, 10), item("old", 31, 10)]), ["old"]);
        assert_eq!(names(vec![item("a", 5, 60), item("b", 3, 60), item("c", 4, 40)]), ["a"]);
    }

    #[test]
    fn recent_entries_stay() {
        assert_eq!(names(vec![item("huge", 0, 1000), item("next", 2, 10)]), ["next"]);
        let mut future = item("future", 0, 10);
        future.used = SystemTime::now() + DAY * 365;
        assert!(names(vec![future]).is_empty());
    }

    #[test]
    fn dead_builds_are_removed_after_day() {
        let (mut dead, mut running) = (item("dead", 2, 1), item("running", 0, 1));
        (dead.is_finished, running.is_finished) = (false, false);
        assert_eq!(names(vec![dead, running]), ["dead"]);
    }

    #[test]
    fn only_whole_entries_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let (old, used) = (Key::new().with("recipe", "old"), Key::new().with("recipe", "used"));
        let month_ago = SystemTime::now() - DAY * 31;
        for key in [&old, &used] {
            let path = cache.entry("root", key, |folder| Ok(std::fs::create_dir(folder.join("content"))?)).unwrap();
            std::fs::File::open(path).unwrap().set_modified(month_ago).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("sites/demo")).unwrap();
        // Every call records a use.
        cache.entry("root", &used, |_| panic!("it exists")).unwrap();
        let busy = cache.lock(&format!("root-{}", old.digest())).unwrap();
        assert_eq!(prune(&cache, LIMITS, SystemTime::now()).unwrap(), 0, "it is being made, or used");
        drop(busy);
        assert_eq!(prune(&cache, LIMITS, SystemTime::now()).unwrap(), 1);
        assert!(!cache.contains("root", &old) && cache.contains("root", &used));
        assert!(folder.path().join("sites/demo").is_dir());
        assert_eq!(folder.path().join("root").read_dir().unwrap().count(), 1);
    }
}
