//! Saving: every stream that the release declares, one after another, and what the site itself needs to be built again.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use landfall_backup::{BEGINS_LOG, Backup, BackupKind, NewBackup, Repository, StreamName};
use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::CommandRunner;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::{BackupLog, ReleaseDocument};

use super::cluster::ClusterSources;
use super::counts::stream_name;
use super::cut::{Counted, Held, LogPart, MakingCut, OpenLog, log_part};
use super::error::unusable;
use super::estimate::BackupEstimate;
use super::logs::{LogRecords, WholeLink};
use super::manifest::{Manifest, SavedStream, word};
use super::room::make_room;
use super::rule_pod::{RulePod, RulePrograms as _};
use super::source::PodStream;
use crate::configuration::BackupSettings;
use crate::license;
use crate::marks::Marks;
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
        let mut facts = self.facts();
        if begins_log {
            facts.insert(BEGINS_LOG.to_owned(), "yes".to_owned());
        }
        let backup = self.store(repository, &manifest.streams, &mut of_cluster, BesideStreams { documents, facts })?;
        for saved in &manifest.streams {
            if let Some(link) = &saved.link {
                LogRecords::of(self.paths).has_base(&saved.name(), link)?;
            }
        }
        Ok(backup)
    }

    /// Reads and stores everything: of the streams that belong to a cut, those with a log first, and those whose writers are held last; then
    /// what was counted.
    fn store(
        &self,
        repository: &Repository,
        saved: &[SavedStream],
        of_cluster: &mut ClusterSources<'_>,
        beside: BesideStreams,
    ) -> Result<Backup, StepError> {
        let pods: Vec<RulePod<'_>> = saved.iter().map(|saved| self.pod(saved)).collect();
        let source = |index: usize| {
            let SavedStream { rule, word, .. } = &saved[index];
            PodStream::new(&pods[index], &rule.save, self.progress).marked(rule.marker.as_ref(), word.as_deref())
        };
        let order = ReadingOrder::of(saved);
        let mut alone: Vec<PodStream<'_>> = order.alone.iter().map(|index| source(*index)).collect();
        let held = order.held.iter().filter_map(|index| {
            let hold = saved[*index].rule.hold.as_ref()?;
            Some(Held { pod: &pods[*index], hold, source: source(*index) })
        });
        let logged = order.logged.iter().map(|index| saved[*index].name()).collect();
        let counted = |(index, is_held): (&usize, bool)| {
            let program = saved[*index].rule.counts.as_deref()?;
            Some(Counted { pod: &pods[*index], program, is_held })
        };
        let all = order.held.iter().map(|index| (index, true)).chain(order.logged.iter().map(|index| (index, false)));
        let counted: Vec<Counted<'_>> = all.filter_map(counted).collect();
        let has_counts = !counted.is_empty();
        let cut = MakingCut::new(held.collect(), logged, self.progress).counting(counted);
        let mut held = cut.held_streams();
        let part = |index: &usize| cut.log_stream(self.log_of(&pods[*index]));
        let mut logs: Vec<LogPart<'_, '_>> = order.logged.iter().map(part).collect();
        let mut counts = cut.counts_stream();

        let mut streams: Vec<(StreamName, &mut dyn Read)> = Vec::new();
        for (index, stream) in order.alone.iter().zip(&mut alone) {
            streams.push((saved[*index].stream_name()?, stream));
        }
        streams.extend(of_cluster.streams()?);
        for (index, stream) in order.held.iter().zip(&mut held) {
            streams.push((saved[*index].stream_name()?, stream));
        }
        for (index, part) in order.logged.iter().zip(&mut logs) {
            streams.push((log_part(&saved[*index].name())?, part));
        }
        if has_counts {
            streams.push((stream_name()?, &mut counts));
        }
        let (kind, time) = (BackupKind::Full, Timestamp::now());
        let BesideStreams { documents, facts } = beside;
        let new = NewBackup { kind, time, facts, streams, documents };
        repository.save_and_note(new, || cut.facts()).map_err(unusable)
    }

    /// Opens what was logged in a pod. No log backup is made meanwhile.
    fn log_of<'b>(&'b self, pod: &'b RulePod<'b>) -> impl Fn() -> Result<OpenLog, StepError> + 'b {
        move || {
            let missing = || StepError::new(codes::BUG, format!("{} has no log", pod.stream));
            let log = pod.rule.log.as_ref().ok_or_else(missing)?;
            let lock = LogRecords::of(self.paths).lock()?;
            Ok(OpenLog::new(pod.open(&log.save, None)?, lock))
        }
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
        if let Some(known) = records.whole_link(&saved.name()) {
            return Ok(known.into());
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

/// What a backup has beside its streams.
struct BesideStreams {
    documents: Vec<(StreamName, Vec<u8>)>,
    facts: BTreeMap<String, String>,
}

/// The order in which the streams of a backup are read, by their places in its manifest.
#[derive(Debug, PartialEq, Eq)]
struct ReadingOrder {
    /// Those that are saved by themselves, the ones with a log first.
    alone: Vec<usize>,
    /// Those of a cut whose writers are held, in the end.
    held: Vec<usize>,
    /// Those of `alone` whose log leads to the cut.
    logged: Vec<usize>,
}

impl ReadingOrder {
    /// A single stream needs no hold: it is of one time by itself. If its data is counted, that time must be known.
    fn of(saved: &[SavedStream]) -> Self {
        let has_log = |index: &usize| saved[*index].link.is_some() && saved[*index].rule.log.is_some();
        let (logged, others): (Vec<usize>, Vec<usize>) = (0..saved.len()).partition(has_log);
        let (held, free): (Vec<usize>, Vec<usize>) =
            others.iter().partition(|index| saved[**index].rule.hold.is_some());
        let is_counted = logged.iter().chain(&held).any(|index| saved[*index].rule.counts.is_some());
        if logged.len() + held.len() > 1 || is_counted {
            return Self { alone: logged.iter().copied().chain(free).collect(), held, logged };
        }
        Self { alone: logged.into_iter().chain(others).collect(), held: Vec::new(), logged: Vec::new() }
    }
}

/// What the log backups of a stream follow.
#[derive(Debug, PartialEq, Eq)]
enum Link {
    /// Nothing: no log is kept.
    None,
    /// What they followed before.
    Known(String),
    /// A log that begins with this backup.
    New(String),
}

impl From<WholeLink> for Link {
    /// A log begins with the first backup that is stored with its link, however many failed before.
    fn from(known: WholeLink) -> Self {
        if known.has_base { Self::Known(known.word) } else { Self::New(known.word) }
    }
}

impl Link {
    fn into_word(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Known(word) | Self::New(word) => Some(word),
        }
    }
}

/// The marks of what the site has run and what was revoked, in a backup.
pub(crate) const MARKS: &str = "LANDFALL/marks.json";

/// What makes a site this site: its journals, with settings and trust, the head of its release, its marks, its license, and its generated
/// secrets, without which its data is of no use.
fn site_documents(paths: &SitePaths, bundle: &str) -> Result<Vec<(StreamName, Vec<u8>)>, StepError> {
    let mut documents = Vec::new();
    let head = paths.release(bundle).join("bundle.head");
    for (name, folder) in [("LANDFALL/journal", paths.journal()), ("LANDFALL/secrets", paths.secrets())] {
        add_files(&mut documents, name, &folder)?;
    }
    add_file(&mut documents, "LANDFALL/bundle.head", &head)?;
    match Marks::document(paths) {
        Ok(marks) => documents.extend(marks.and_then(|marks| Some((MARKS.parse().ok()?, marks)))),
        Err(error) => tracing::warn!(error = with_causes(&error), "the backup is without the marks of this site"),
    }
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
    use landfall_bundle_spec::Sha256;
    use landfall_media::durable;
    use serde_json::json;

    use super::*;

    /// A stream whose log is kept, and whose writers can be held, or not.
    fn saved(name: &str, has_log: bool, has_hold: bool) -> SavedStream {
        let program = ["a"];
        let mut rule = json!({"name": name, "workload": {"kind": "StatefulSet", "name": "db"}, "volume": "data",
            "limit_seconds": 60, "save": program, "load": program});
        if has_log {
            rule["log"] =
                json!({"keep": program, "save": program, "saved": program, "load": program, "recover": program});
        }
        if has_hold {
            rule["hold"] = json!({"begin": program, "end": program, "limit_seconds": 5, "until": "end"});
        }
        serde_json::from_value(json!({
            "component": "db", "namespace": "db", "readySeconds": 60, "workload": {}, "rule": rule,
            "link": has_log.then_some("word"),
        }))
        .unwrap()
    }

    #[test]
    fn log_without_a_stored_backup_begins_with_this_one() {
        let known = |has_base| Link::from(WholeLink { word: "a".to_owned(), has_base });
        assert_eq!((known(false), known(true)), (Link::New("a".to_owned()), Link::Known("a".to_owned())));
    }

    #[test]
    fn logs_are_read_first_and_held_streams_last_and_one_stream_needs_no_hold() {
        let [cache, files, rows, more] = [
            saved("cache", false, true),
            saved("files", false, false),
            saved("rows", true, true),
            saved("more", true, false),
        ];
        let order = |saved: &[SavedStream]| {
            let ReadingOrder { alone, held, logged } = ReadingOrder::of(saved);
            (alone, held, logged)
        };
        let all = [cache.clone(), files.clone(), rows.clone(), more.clone()];
        assert_eq!(order(&all), (vec![2, 3, 1], vec![0], vec![2, 3]));
        assert_eq!(order(&all[..3]), (vec![2, 1], vec![0], vec![2]));
        assert_eq!(order(&all[..2]), (vec![0, 1], vec![], vec![]));
        assert_eq!(order(&[files.clone(), rows]), (vec![1, 0], vec![], vec![]));
        assert_eq!(order(&[cache.clone(), cache.clone(), files.clone()]), (vec![2], vec![0, 1], vec![]));
        // One whose data is counted has a cut by itself.
        let counted = |saved: &SavedStream| {
            let mut saved = saved.clone();
            saved.rule.counts = Some(vec!["a".to_owned()]);
            saved
        };
        assert_eq!(order(&[counted(&cache), files.clone()]), (vec![1], vec![0], vec![]));
        assert_eq!(order(&[files.clone(), counted(&more)]), (vec![1, 0], vec![], vec![1]));
        assert_eq!(order(&[counted(&files), files.clone()]), (vec![0, 1], vec![], vec![]));
        // A site without points in time keeps no log.
        let unlinked = SavedStream { link: None, ..more };
        assert_eq!(order(&[unlinked.clone(), unlinked]), (vec![0, 1], vec![], vec![]));
    }

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
        Marks::advance(&paths, "tiny", 1, Sha256([1; 32])).unwrap();
        let mut names: Vec<String> =
            site_documents(&paths, "0123").unwrap().into_iter().map(|(name, _)| name.to_string()).collect();
        names.sort();
        let expected = [
            "LANDFALL/bundle.head",
            "LANDFALL/journal/000001-install.journal",
            "LANDFALL/marks.json",
            "LANDFALL/secrets/shop/key.json",
        ];
        assert_eq!(names, expected);
    }
}
