//! Saving: every stream that the release declares, one after another, and what the site itself needs to be built again.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use landfall_backup::{BEGINS_LOG, Backup, BackupKind, NewBackup, Repository, StreamName};
use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::command::CommandRunner;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::{BackupLog, ReleaseDocument};

use super::cluster::ClusterSources;
use super::error::unusable;
use super::estimate::BackupEstimate;
use super::logs::LogRecords;
use super::manifest::{Manifest, SavedStream, word};
use super::room::make_room;
use super::rule_pod::RulePod;
use super::source::PodStream;
use crate::configuration::BackupSettings;
use crate::license;
use crate::room::Demand;

/// The fact that names the operation which a backup belongs to.
pub(crate) const OPERATION: &str = "operation";

/// Why a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A person or a timer wants it.
    Request,
    /// An upgrade begins with it.
    Upgrade,
    /// Points in time begin with it, after a change of release or data.
    Change,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Upgrade => "upgrade",
            Self::Change => "change",
        }
    }
}

/// What comes after a backup: its room is made before, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextOfBackup {
    /// A drill proves it.
    Drill,
    /// It stays unproven.
    Nothing,
}

/// A backup that is to be made.
pub(crate) struct Saving<'a> {
    /// The site's cluster.
    pub(crate) cluster: &'a Cluster,
    /// The site's paths.
    pub(crate) paths: &'a SitePaths,
    /// The release that is installed.
    pub(crate) release: &'a ReleaseDocument,
    /// First 12 hexadecimal digits of its bundle's id.
    pub(crate) bundle: &'a str,
    /// What the site sets.
    pub(crate) settings: &'a BackupSettings,
    /// Why.
    pub(crate) reason: Reason,
    /// What comes after it.
    pub(crate) next: NextOfBackup,
    /// What names the operation that the backup belongs to, if there is one.
    pub(crate) operation: Option<&'a str>,
    /// Runs etcd's own tools.
    pub(crate) commands: &'a dyn CommandRunner,
    /// Where progress goes.
    pub(crate) progress: &'a dyn Progress,
}

impl Saving<'_> {
    /// Saves everything. Returns when all of it is on the disk; if it fails, no backup was made. Where there is no room, old backups go
    /// first; where that is not enough, nothing is read.
    pub(crate) fn save(&self, repository: &Repository) -> Result<Backup, StepError> {
        let retention = self.settings.retention();
        make_room(self.paths, repository, retention, &self.demands(repository)?, self.progress)?;
        license::remember_cluster(self.paths, self.cluster);
        let mut manifest = Manifest::new(self.release, self.cluster)?;
        let begins_log = self.settings.has_points_in_time() && self.link_all(&mut manifest)?;
        let mut of_cluster = ClusterSources::take(self.cluster, self.paths, self.commands, self.progress)?;
        manifest.cluster = Some(of_cluster.saved.clone());
        let mut documents = site_documents(self.paths, self.bundle)?;
        documents.push(manifest.document()?);
        let pods: Vec<RulePod<'_>> = manifest.streams.iter().map(|saved| self.pod(saved)).collect();
        let mut sources = Vec::new();
        for (saved, pod) in manifest.streams.iter().zip(&pods) {
            let source = PodStream::new(pod, &saved.rule.save, self.progress).marked(saved.word.as_deref());
            sources.push((saved.stream_name()?, source));
        }
        let mut streams = of_cluster.streams()?;
        streams.extend(sources.iter_mut().map(|(name, source)| (name.clone(), source as &mut dyn Read)));
        let (kind, time, mut facts) = (BackupKind::Full, Timestamp::now(), self.facts());
        if begins_log {
            facts.insert(BEGINS_LOG.to_owned(), "yes".to_owned());
        }
        let backup = repository.save(NewBackup { kind, time, facts, streams, documents }).map_err(unusable)?;
        for saved in &manifest.streams {
            if let Some(link) = &saved.link {
                LogRecords::of(self.paths).has_base(&saved.name(), link)?;
            }
        }
        Ok(backup)
    }

    fn demands(&self, repository: &Repository) -> Result<[Demand; 2], StepError> {
        let estimate = BackupEstimate::of(self.paths, self.cluster, self.release, Some(repository))?;
        Ok(match self.next {
            NextOfBackup::Drill => estimate.demands(self.paths),
            NextOfBackup::Nothing => estimate.demands_without_drill(self.paths),
        })
    }

    /// Notes in the manifest which log backups will follow the backup. Returns whether a log begins with it.
    fn link_all(&self, manifest: &mut Manifest) -> Result<bool, StepError> {
        let mut begins_log = false;
        for saved in &mut manifest.streams {
            let link = self.link(saved)?;
            begins_log |= matches!(link, Link::New(_));
            saved.link = link.into_word();
        }
        Ok(begins_log)
    }

    fn pod<'b>(&'b self, saved: &'b SavedStream) -> RulePod<'b> {
        RulePod { cluster: self.cluster, stream: saved.name(), namespace: &saved.namespace, rule: &saved.rule }
    }

    /// The link that the log backups of a stream follow, from this backup on. Where no log is kept, or some of it may be lost, the
    /// software begins to keep it. Where it cannot, the backup itself is as good without.
    fn link(&self, saved: &SavedStream) -> Result<Link, StepError> {
        let Some(log) = &saved.rule.log else { return Ok(Link::None) };
        let records = LogRecords::of(self.paths);
        let _lock = records.lock()?;
        if let Some(link) = records.whole_link(&saved.name()) {
            return Ok(Link::Known(link));
        }
        if let Err(error) = self.pod(saved).run(&log.keep, BackupLog::LIMIT_SECONDS) {
            let text = format!("no points in time of {}: {}", saved.name(), with_causes(&error));
            self.progress.event(Event::Note(text));
            return Ok(Link::None);
        }
        let link = word();
        records.begin(&saved.name(), &link)?;
        Ok(Link::New(link))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let facts = [
            ("release", Some(self.release.name.as_str())),
            ("version", Some(&self.release.version)),
            ("bundle", Some(self.bundle)),
            ("reason", Some(self.reason.name())),
            (OPERATION, self.operation),
        ];
        facts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()
    }
}

/// What the log backups of a stream follow.
enum Link {
    /// Nothing: no log is kept.
    None,
    /// What they followed before.
    Known(String),
    /// A log that begins with this backup.
    New(String),
}

impl Link {
    fn into_word(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Known(word) | Self::New(word) => Some(word),
        }
    }
}

/// What makes a site this site: its journals, with settings and trust, the head of its release, its license, and its generated
/// secrets, without which its data is of no use.
fn site_documents(paths: &SitePaths, bundle: &str) -> Result<Vec<(StreamName, Vec<u8>)>, StepError> {
    let mut documents = Vec::new();
    let head = paths.release(bundle).join("bundle.head");
    for (name, folder) in [("LANDFALL/journal", paths.journal()), ("LANDFALL/secrets", paths.secrets())] {
        add_files(&mut documents, name, &folder)?;
    }
    add_file(&mut documents, "LANDFALL/bundle.head", &head)?;
    for (name, bytes) in license::saved_documents(paths) {
        documents.extend(name.parse().ok().map(|name| (name, bytes)));
    }
    Ok(documents)
}

/// Adds the files of a folder and of those in it. What a name of restic cannot express, such as a temporary file, is left out.
fn add_files(documents: &mut Vec<(StreamName, Vec<u8>)>, name: &str, folder: &Path) -> Result<(), StepError> {
    if !folder.exists() {
        return Ok(());
    }
    let failed = |error| files::failed("list", folder, error);
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{name}/{file_name}");
        if path.is_dir() {
            add_files(documents, &name, &path)?;
        } else {
            add_file(documents, &name, &path)?;
        }
    }
    Ok(())
}

fn add_file(documents: &mut Vec<(StreamName, Vec<u8>)>, name: &str, path: &Path) -> Result<(), StepError> {
    let Ok(name) = name.parse() else { return Ok(()) };
    if let Some(bytes) = files::read(path)? {
        documents.push((name, bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn a_backup_has_what_makes_the_site_this_site_and_a_damaged_license_does_not_stop_it() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let secret = paths.secrets().join("shop/key.json");
        let files = [
            paths.journal().join("000001-install.journal"),
            paths.journal().join(".hidden"),
            secret.clone(),
            paths.release("0123").join("bundle.head"),
            paths.license(),
            paths.trusted_time(),
        ];
        for file in &files {
            durable::create_folder(file.parent().unwrap()).unwrap();
            durable::write_file(file, b"content", 0o600).unwrap();
        }
        let mut names: Vec<String> =
            site_documents(&paths, "0123").unwrap().into_iter().map(|(name, _)| name.to_string()).collect();
        names.sort();
        let expected =
            ["LANDFALL/bundle.head", "LANDFALL/journal/000001-install.journal", "LANDFALL/secrets/shop/key.json"];
        assert_eq!(names, expected);
    }
}
