//! Locks from which entries are copied: one that the vendor names, and that of the starter release.

use std::path::Path;

use crate::error::{Place, Result};
use crate::lock::{List, Lock, LockEntry};
use crate::reference::Reference;

/// Lock of the reference platform, as of the build of this program.
const STARTER: &str = include_str!("../../../../images.lock");

/// The two locks; the vendor's takes precedence.
pub struct Donors {
    named: Option<Lock>,
    starter: Lock,
}

impl Donors {
    /// Reads the vendor's lock, if given.
    pub fn read(named: Option<&Path>) -> Result<Self> {
        let starter = Lock::parse(Path::new("images.lock"), STARTER.to_owned())?;
        Ok(Self { named: named.map(Lock::read).transpose()?, starter })
    }

    /// Lock of the starter release.
    pub fn starter(&self) -> &Lock {
        &self.starter
    }

    /// Returns true if the copied entries were assembled for tests.
    pub fn is_assembled(&self) -> bool {
        self.named.as_ref().is_some_and(|lock| lock.document.assembled.value)
    }

    /// The entry for a reference: the full reference, and the lines of the entry.
    pub fn entry(&self, list: List, wanted: &Reference) -> Option<(String, String)> {
        let mut locks = self.named.iter().chain(std::iter::once(&self.starter));
        locks.find_map(|lock| {
            let entry = lock.find(list, wanted, Place::default()).ok()?;
            Some((entry.reference.value.clone(), lines(lock, entry)?))
        })
    }
}

/// Lines of an entry, up to the next dash or a line with less indentation; `None` for an entry in another style.
fn lines(lock: &Lock, entry: &LockEntry) -> Option<String> {
    let line = usize::try_from(entry.reference.referenced.line()).ok()?.checked_sub(1)?;
    let mut lines = lock.text().lines().skip(line);
    let first = lines.next()?;
    let dash = first.len() - first.trim_start().len();
    if !first.trim_start().starts_with("- ") {
        return None;
    }
    let is_of_entry = |line: &&str| !line.trim().is_empty() && line.len() - line.trim_start().len() > dash;
    let rest: Vec<_> = lines.take_while(is_of_entry).collect();
    let shift = |line: &str| format!("  {}\n", &line[dash..]);
    Some(std::iter::once(first).chain(rest).map(shift).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn donor_entry_is_taken_alone() {
        let donors = Donors::read(None).expect("the starter's lock");
        let entry = |list, text: &str| donors.entry(list, &text.parse().expect("reference"));
        let (reference, text) = entry(List::Images, "registry.k8s.io/etcd").expect("etcd");
        assert!(reference.starts_with("registry.k8s.io/etcd:"), "{reference}");
        assert!(
            text.starts_with(&format!("  - reference: {reference}\n")) && text.matches("- reference").count() == 1,
            "{text}"
        );
        assert!(text.ends_with("    size: unresolved\n"), "{text}");
        let (_, files) = entry(List::Artifacts, "github.com/containernetworking/plugins").expect("plugins");
        assert!(files.contains("          portmap: portmap\n") && !files.contains("etcd"), "{files}");
        assert!(entry(List::Images, "docker.io/library/nothing").is_none());
        assert!(!donors.is_assembled());
    }
}
