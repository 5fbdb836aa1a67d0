//! Marks of a site: the highest counter of each release name, by which older releases are refused. They are stored on
//! the data disk and on the operating system's disk, so they survive the loss of either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::head::Identity;
use landfall_bundle_spec::trust::Revocation;
use landfall_media::durable;
use landfall_media::durable::DurableError;
use serde::{Deserialize, Serialize};

use landfall_error_codes::{Code, CodedError, cases, codes};
use landfall_host::paths::SitePaths;

const MARKS_NAME: &str = "marks.json";

/// A result of this module.
pub type Result<T> = std::result::Result<T, MarksError>;

/// Reason why marks are unusable or refuse a release.
#[derive(Debug, thiserror::Error)]
pub enum MarksError {
    /// The release is older than what the site has run.
    #[error("release {release} has the counter {counter}, and this site has run {mark}")]
    Older {
        /// The release.
        release: String,
        /// Its counter.
        counter: u64,
        /// The site's mark.
        mark: u64,
    },
    /// The marks of earlier releases cannot be read.
    #[error("neither {} nor {} can be read", .first.display(), .second.display())]
    Unreadable {
        /// File on the data disk.
        first: PathBuf,
        /// File on the operating system's disk.
        second: PathBuf,
        /// Error of one of them.
        source: serde_json::Error,
    },
    /// A revocation is refused.
    #[error("the revocation cannot be used")]
    Revocation(#[source] Box<landfall_bundle_spec::Error>),
    /// A file cannot be read or written.
    #[error("cannot {act} {}", .path.display())]
    Io {
        /// Attempted action, as a verb.
        act: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Underlying error.
        source: std::io::Error,
    },
    /// A durable change failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl MarksError {
    fn io(act: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { act, path: path.into(), source }
    }
}

impl CodedError for MarksError {
    fn code(&self) -> Code {
        match self {
            Self::Older { .. } => codes::ROLLBACK_REFUSED,
            Self::Unreadable { .. } => codes::MARKS_UNREADABLE,
            Self::Revocation(source) => source.code(),
            Self::Io { .. } => codes::SITE_IO,
            Self::Durable(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => cases::of_file(source).map(|case| case.next.to_owned()),
            Self::Durable(error) => error.hint(),
            _ => None,
        }
    }
}

/// Mark of one release name and history of the site, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Highest counter that was committed under the name; `None` before the first commit.
    pub counter: Option<u64>,
    /// IDs of the committed bundles, oldest first.
    pub history: Vec<Sha256>,
}

/// Marks of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Highest counter that was committed, by release name.
    pub counters: BTreeMap<String, u64>,
    /// IDs of the committed bundles, oldest first: the site may return to them.
    pub history: Vec<Sha256>,
    /// Newest revocation that the site has seen, as its document, which was verified on arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
}

fn places(paths: &SitePaths) -> [PathBuf; 2] {
    [paths.data().join(MARKS_NAME), paths.settings().join(MARKS_NAME)]
}

impl Marks {
    /// Reads and merges the marks of both places. The other file replaces a missing or damaged one. If both are
    /// missing, the site never committed.
    pub fn read(paths: &SitePaths) -> Result<Self> {
        let [first, second] = places(paths);
        match (read_one(&first)?, read_one(&second)?) {
            (Some(Ok(one)), Some(Ok(other))) => Ok(one.merge(other)),
            (Some(Ok(one)), _) | (_, Some(Ok(one))) => Ok(one),
            (Some(Err(source)), _) | (_, Some(Err(source))) => Err(MarksError::Unreadable { first, second, source }),
            (None, None) => Ok(Self::default()),
        }
    }

    /// Fails for a release that is older than the mark of its name, unless it was itself committed.
    pub fn check(&self, identity: &Identity, bundle: Sha256) -> Result<()> {
        match self.counters.get(&identity.name) {
            Some(mark) if identity.counter < *mark && !self.history.contains(&bundle) => Err(MarksError::Older {
                release: format!("{} {}", identity.name, identity.version),
                counter: identity.counter,
                mark: *mark,
            }),
            _ => Ok(()),
        }
    }

    /// Durably advances the mark of a release in both places, just before its commit. Repeating the call changes
    /// nothing.
    pub fn advance(paths: &SitePaths, release: &str, counter: u64, bundle: Sha256) -> Result<()> {
        let mut marks = Self::read(paths)?;
        let mark = marks.counters.entry(release.to_owned()).or_default();
        *mark = counter.max(*mark);
        if !marks.history.contains(&bundle) {
            marks.history.push(bundle);
        }
        marks.write(paths)
    }

    /// Returns the marks as a document for a backup; `None` before the first commit and the first revocation.
    pub fn document(paths: &SitePaths) -> Result<Option<Vec<u8>>> {
        let marks = Self::read(paths)?;
        let text = serde_json::to_vec(&marks).map_err(|error| MarksError::io("write", MARKS_NAME, error.into()))?;
        Ok((marks != Self::default()).then_some(text))
    }

    /// Merges the marks of a backup's document into the current ones, durably in both places. A site must not accept
    /// older releases after it moves to another machine. Repeating the call changes nothing.
    pub fn adopt(paths: &SitePaths, document: &[u8]) -> Result<()> {
        let [first, second] = places(paths);
        let saved: Self =
            serde_json::from_slice(document).map_err(|source| MarksError::Unreadable { first, second, source })?;
        Self::read(paths)?.merge(saved).write(paths)
    }

    /// Returns the mark of a release name.
    pub fn mark(&self, release: &str) -> Mark {
        Mark { counter: self.counters.get(release).copied(), history: self.history.clone() }
    }

    /// Durably restores the mark of a release name in both places. Revocations stay. Repeating the call changes
    /// nothing.
    pub fn restore(paths: &SitePaths, release: &str, mark: &Mark) -> Result<()> {
        let mut marks = Self::read(paths)?;
        match mark.counter {
            Some(counter) => drop(marks.counters.insert(release.to_owned(), counter)),
            None => drop(marks.counters.remove(release)),
        }
        marks.history.clone_from(&mark.history);
        marks.write(paths)
    }

    /// Returns the newest revocation that the site has seen.
    pub fn revocation(&self) -> Result<Option<Revocation>> {
        let read = |text: &String| Revocation::read("the revocation that this site keeps", text.as_bytes());
        self.revocation.as_ref().map(read).transpose().map_err(revocation_error)
    }

    /// Durably keeps a verified revocation in both places, if it is newer than the kept one. Returns the revocation in
    /// force. Fails for two with one number and different contents.
    pub fn learn(paths: &SitePaths, revocation: &Revocation) -> Result<Revocation> {
        let mut marks = Self::read(paths)?;
        let newest = match marks.revocation()? {
            Some(kept) => kept.newest(revocation.clone()).map_err(revocation_error)?,
            None => revocation.clone(),
        };
        marks.revocation = Some(String::from_utf8_lossy(newest.bytes()).into_owned());
        marks.write(paths)?;
        Ok(newest)
    }

    fn write(&self, paths: &SitePaths) -> Result<()> {
        for place in places(paths) {
            let text =
                serde_json::to_vec_pretty(self).map_err(|error| MarksError::io("write", &place, error.into()))?;
            if let Some(folder) = place.parent() {
                // A revocation may be imported before the install creates the folder of settings.
                durable::create_own_folder(folder)?;
            }
            durable::write_file(&place, &text, 0o644)?;
        }
        Ok(())
    }

    /// Removes all marks, at the end of an uninstall.
    pub fn remove(paths: &SitePaths) -> Result<()> {
        places(paths).iter().try_for_each(|place| Ok(durable::remove_file(place)?))
    }

    fn merge(mut self, other: Self) -> Self {
        for (name, counter) in other.counters {
            let mark = self.counters.entry(name).or_default();
            *mark = counter.max(*mark);
        }
        self.history
            .extend(other.history.into_iter().filter(|bundle| !self.history.contains(bundle)).collect::<Vec<_>>());
        let number = |text: &Option<String>| {
            let read = |text: &String| Revocation::read("a kept revocation", text.as_bytes()).ok();
            text.as_ref().and_then(read).map(|revocation| revocation.number())
        };
        if number(&other.revocation) > number(&self.revocation) {
            self.revocation = other.revocation;
        }
        self
    }
}

fn revocation_error(source: landfall_bundle_spec::Error) -> MarksError {
    MarksError::Revocation(Box::new(source))
}

fn read_one(path: &Path) -> Result<Option<serde_json::Result<Marks>>> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(MarksError::io("read", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::trust::RevokedRelease;

    use super::*;

    fn identity(counter: u64) -> Identity {
        Identity {
            name: "starter".to_owned(),
            version: format!("1.{counter}.0"),
            counter,
            built_at: "2026-11-20T08:16:00Z".to_owned(),
        }
    }

    #[test]
    fn newest_revocation_is_kept_twice() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let release = |version: &str| RevokedRelease {
            name: "starter".to_owned(),
            version: version.to_owned(),
            bundle: None,
            reason: "it loses data".to_owned(),
        };
        let revocation = |number, version| Revocation::new(number, vec![release(version)]).unwrap();
        Marks::learn(&paths, &revocation(2, "1.0.0")).unwrap();
        assert_eq!(Marks::learn(&paths, &revocation(1, "0.9.0")).unwrap().number(), 2, "an older one changes nothing");
        let other = Marks::learn(&paths, &revocation(2, "0.9.0")).unwrap_err();
        assert_eq!(other.code(), codes::REVOCATION_DIFFERS);
        for place in places(&paths) {
            let kept = std::fs::read(&place).unwrap();
            durable::remove_file(&place).unwrap();
            assert_eq!(Marks::read(&paths).unwrap().revocation().unwrap().unwrap().number(), 2);
            durable::write_file(&place, &kept, 0o644).unwrap();
        }
        Marks::advance(&paths, "starter", 3, Sha256([1; 32])).unwrap();
        let known = Marks::read(&paths).unwrap().revocation().unwrap().unwrap();
        assert_eq!(known.check("starter", "1.0.0", Sha256([1; 32])).unwrap_err().code(), codes::REVOKED);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        Marks::advance(&paths, "starter", 3, Sha256([1; 32])).unwrap();
        let known = Marks::read(&paths).unwrap();
        for place in places(&paths) {
            let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&place).unwrap()).unwrap();
            document["later"] = serde_json::json!({"of": "a newer program"});
            durable::write_file(&place, document.to_string().as_bytes(), 0o644).unwrap();
        }
        assert_eq!(Marks::read(&paths).unwrap(), known);
        Marks::advance(&paths, "starter", 4, Sha256([2; 32])).unwrap();
    }

    #[test]
    fn mark_refuses_downgrade_outside_history() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let (old, new, other) = (Sha256([1; 32]), Sha256([2; 32]), Sha256([3; 32]));
        Marks::read(&paths).unwrap().check(&identity(1), old).unwrap();
        Marks::advance(&paths, "starter", 1, old).unwrap();
        Marks::advance(&paths, "starter", 5, new).unwrap();
        Marks::advance(&paths, "starter", 5, new).unwrap();
        let marks = Marks::read(&paths).unwrap();
        assert_eq!(marks.history, [old, new]);
        assert_eq!(marks.check(&identity(4), other).unwrap_err().code(), codes::ROLLBACK_REFUSED);
        for (counter, bundle) in [(5, other), (6, other), (1, old)] {
            marks.check(&identity(counter), bundle).unwrap();
        }
        Marks::remove(&paths).unwrap();
        assert_eq!(Marks::read(&paths).unwrap(), Marks::default());
    }

    #[test]
    fn restored_mark_keeps_revocation() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        Marks::advance(&paths, "starter", 1, Sha256([1; 32])).unwrap();
        let before = Marks::read(&paths).unwrap().mark("starter");
        Marks::learn(&paths, &Revocation::new(1, Vec::new()).unwrap()).unwrap();
        Marks::advance(&paths, "starter", 2, Sha256([2; 32])).unwrap();
        assert_ne!(Marks::read(&paths).unwrap().mark("starter"), before);
        Marks::restore(&paths, "starter", &before).unwrap();
        let marks = Marks::read(&paths).unwrap();
        assert_eq!((marks.mark("starter"), marks.revocation().unwrap().unwrap().number()), (before, 1));
        let never = marks.mark("other");
        Marks::advance(&paths, "other", 4, Sha256([3; 32])).unwrap();
        Marks::restore(&paths, "other", &never).unwrap();
        assert_eq!(Marks::read(&paths).unwrap().mark("other").counter, None);
    }

    #[test]
    fn adopted_marks_never_lower() {
        let (lost, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [lost, empty] = [&lost, &empty].map(|root| SitePaths::below(root.path()));
        assert_eq!(Marks::document(&lost).unwrap(), None);
        Marks::advance(&lost, "starter", 5, Sha256([1; 32])).unwrap();
        let early = Marks::document(&lost).unwrap().unwrap();
        Marks::learn(&lost, &Revocation::new(1, Vec::new()).unwrap()).unwrap();
        Marks::advance(&lost, "starter", 6, Sha256([2; 32])).unwrap();
        let late = Marks::document(&lost).unwrap().unwrap();
        for document in [&early, &late, &early] {
            Marks::adopt(&empty, document).unwrap();
        }
        assert_eq!(Marks::read(&empty).unwrap(), Marks::read(&lost).unwrap());
        let refused = Marks::read(&empty).unwrap().check(&identity(5), Sha256([3; 32])).unwrap_err();
        assert_eq!(refused.code(), codes::ROLLBACK_REFUSED);
        assert_eq!(Marks::adopt(&empty, b"{").unwrap_err().code(), codes::MARKS_UNREADABLE);
    }

    #[test]
    fn one_copy_repairs_the_other() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        Marks::advance(&paths, "starter", 7, Sha256([1; 32])).unwrap();
        let whole = Marks::read(&paths).unwrap();
        let [first, second] = places(&paths);
        for (damaged, missing) in [(&first, &second), (&second, &first)] {
            durable::write_file(damaged, b"{\"counters\": ", 0o644).unwrap();
            assert_eq!(Marks::read(&paths).unwrap(), whole);
            durable::remove_file(missing).unwrap();
            assert_eq!(Marks::read(&paths).unwrap_err().code(), codes::MARKS_UNREADABLE);
            durable::remove_file(damaged).unwrap();
            Marks::advance(&paths, "starter", 7, Sha256([1; 32])).unwrap();
        }
        let behind =
            Marks { counters: BTreeMap::from([("starter".to_owned(), 3)]), history: Vec::new(), revocation: None };
        durable::write_file(&first, &serde_json::to_vec(&behind).unwrap(), 0o644).unwrap();
        assert_eq!(Marks::read(&paths).unwrap().counters["starter"], 7, "the higher one counts");
    }
}
