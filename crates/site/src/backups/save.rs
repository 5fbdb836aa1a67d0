//! Saves every stream that the release declares, one after another, and the data for rebuilding the site itself.

use std::collections::BTreeMap;
use std::io::Read;

use jiff::Timestamp;
use landfall_backup::{
    BEGINS_LOG, Backup, BackupId, BackupKind, FailedStream, NewBackup, Repository, StreamName, lacking_facts,
};
use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError as _, codes};
use landfall_host::command::CommandRunner;
use landfall_host::paths::SitePaths;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::{BackupLog, ReleaseDocument};

use super::cluster::ClusterSources;
use super::counts::stream_name;
use super::cut::{CountedStream, HoldableStream, LogPart, MakingCut, OpenLog, log_part};
use super::error::unusable;
use super::estimate::BackupEstimate;
use super::logs::{Chain, LogIndex, LogRecords, WholeLink};
use super::manifest::{Manifest, SavedStream, word};
use super::room::make_room;
use super::rule_pod::{RulePod, RulePrograms as _};
use super::singly::{FailedStreams, LateDocument, SingleStream};
use super::site_files::{is_journal, site_documents, site_files};
use super::source::PodStream;
use crate::configuration::BackupSettings;
use crate::license;
use crate::room::Demand;

/// Fact that names the operation of a backup.
pub const OPERATION: &str = "operation";

/// Reason for making a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A person or a timer requests it.
    Request,
    /// An upgrade begins with a backup.
    Upgrade,
    /// Points in time begin with a backup after a change of release or data.
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

/// Work after a backup, whose space is also reserved first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextOfBackup {
    /// A drill proves the backup.
    Drill,
    /// The backup stays unproven.
    Nothing,
}

/// A backup to make.
pub struct BackupRun<'a> {
    /// The site's cluster.
    pub cluster: &'a Cluster,
    /// The site's paths.
    pub paths: &'a SitePaths,
    /// The installed release.
    pub release: &'a ReleaseDocument,
    /// First 12 hexadecimal digits of its bundle's ID.
    pub bundle: &'a str,
    /// The site's settings of backups.
    pub settings: &'a BackupSettings,
    /// Reason for the backup.
    pub reason: Reason,
    /// Work after the backup.
    pub next: NextOfBackup,
    /// ID of the operation to which the backup belongs, if any.
    pub operation: Option<&'a str>,
    /// Runner of etcd's own tools.
    pub commands: &'a dyn CommandRunner,
    /// Receiver of progress.
    pub progress: &'a dyn Progress,
}

impl BackupRun<'_> {
    /// Saves everything. The backup is on the disk on return; on failure, no backup was made. A failed stream stops no
    /// other, and the backup names it as missing. If space is insufficient, old backups are removed first; if that is
    /// not enough, nothing is read.
    pub fn save(&self, repository: &Repository) -> Result<SavedBackup, StepError> {
        let retention = self.settings.retention();
        make_room(self.paths, repository, retention, &self.demands(repository)?, self.progress)?;
        license::remember_cluster(self.paths, self.cluster);
        let failed = FailedStreams::default();
        let mut manifest = Manifest::new(self.release, self.cluster, &failed, self.progress)?;
        let failed = if manifest.streams.is_empty() { failed.none()? } else { failed };
        let begun = if self.settings.has_points_in_time() { self.link_all(&mut manifest)? } else { Vec::new() };
        let mut of_cluster = ClusterSources::take(self.cluster, self.paths, self.commands, &failed, self.progress)?;
        manifest.cluster = Some(of_cluster.saved.clone());
        let sources = Sources { manifest: &manifest, begun: &begun, failed: &failed };
        let backup = match self.store(repository, sources, &mut of_cluster) {
            // The stream's own failure is more informative.
            Err(error) if error.code() == codes::BACKUP_STREAM => return Err(failed.none().err().unwrap_or(error)),
            stored => stored?,
        };
        for saved in manifest.streams.iter().filter(|saved| !failed.has(&saved.name())) {
            if let Some(link) = &saved.link {
                LogRecords::of(self.paths).has_base(&saved.name(), link)?;
            }
        }
        Ok(SavedBackup { backup, failed })
    }

    /// Reads and stores everything. Among the streams of a cut, those with a log come first, and those with held
    /// writers last. The counts and the list of streams follow.
    fn store(
        &self,
        repository: &Repository,
        sources: Sources<'_>,
        of_cluster: &mut ClusterSources<'_>,
    ) -> Result<Backup, StepError> {
        let Sources { manifest, failed, .. } = sources;
        let saved = &manifest.streams;
        let pods: Vec<RulePod<'_>> = saved.iter().map(|saved| self.pod(saved)).collect();
        let source = |index: usize| {
            let SavedStream { rule, word, .. } = &saved[index];
            PodStream::new(&pods[index], &rule.save, self.progress).with_marker(rule.marker.as_ref(), word.as_deref())
        };
        let order = ReadingOrder::of(saved);
        let cut = self.cut(&order, saved, &pods, &source, failed);
        let single = |index: usize, from| Ok::<_, StepError>(self.single(saved[index].stream_name()?, from, failed));
        let alone = order.alone.iter().map(|index| single(*index, Box::new(source(*index)) as Box<dyn Read + '_>));
        let mut single_streams = alone.collect::<Result<Vec<_>, _>>()?;
        for (name, stream) in of_cluster.streams()? {
            single_streams.push(self.single(name, Box::new(stream), failed));
        }
        for (index, stream) in order.held.iter().zip(cut.held_streams()) {
            single_streams.push(single(*index, Box::new(stream))?);
        }
        let part = |index: &usize| {
            let (saved, pod) = (&saved[*index], &pods[*index]);
            cut.log_stream(&saved.name(), self.log_of(repository, saved, pod))
        };
        let mut logs: Vec<LogPart<'_, '_>> = order.logged.iter().map(part).collect();
        let mut counts = cut.counts_stream();
        let mut files = site_files(self.paths, self.bundle)?;
        let mut described = LateDocument::new(|| manifest.without(failed).document());

        let mut streams: Vec<(StreamName, &mut dyn Read)> = Vec::new();
        for stream in &mut single_streams {
            streams.push((stream.name(), stream));
        }
        for (index, part) in order.logged.iter().zip(&mut logs) {
            streams.push((log_part(&saved[*index].name())?, part));
        }
        if cut.has_counts() {
            streams.push((stream_name()?, &mut counts));
        }
        for file in &mut files {
            streams.push((file.name(), file));
        }
        streams.push((Manifest::stream_name()?, &mut described));
        let documents = site_documents(self.paths);
        let (kind, time, facts) = (BackupKind::Full, Timestamp::now(), self.facts());
        let new = NewBackup { kind, time, facts, streams, documents };
        let judge = |unread| sources.judge(unread).map(|facts| facts.into_iter().chain(cut.facts()).collect());
        repository.save_what_is_read(new, judge).map_err(unusable)
    }

    /// Creates the cut of its streams.
    fn cut<'b>(
        &'b self,
        order: &ReadingOrder,
        saved: &'b [SavedStream],
        pods: &'b [RulePod<'b>],
        source: &impl Fn(usize) -> PodStream<'b>,
        failed: &'b FailedStreams,
    ) -> MakingCut<'b> {
        let held = order.held.iter().filter_map(|index| {
            let hold = saved[*index].rule.hold.as_ref()?;
            Some(HoldableStream { pod: &pods[*index], hold, source: source(*index) })
        });
        let logged = order.logged.iter().map(|index| saved[*index].name()).collect();
        let counted = |(index, is_held): (&usize, bool)| {
            let program = saved[*index].rule.counts.as_deref()?;
            Some(CountedStream { pod: &pods[*index], program, is_held })
        };
        let all = order.held.iter().map(|index| (index, true)).chain(order.logged.iter().map(|index| (index, false)));
        let counted: Vec<CountedStream<'_>> = all.filter_map(counted).collect();
        MakingCut::new(held.collect(), logged, failed, self.progress).counting(counted)
    }

    fn single<'b, R>(&'b self, name: StreamName, from: R, failed: &'b FailedStreams) -> SingleStream<'b, R> {
        SingleStream::new(name, from, failed, self.progress)
    }

    /// Returns a function that opens the log in a pod. It holds the lock against log backups.
    fn log_of<'b>(
        &'b self,
        repository: &'b Repository,
        saved: &'b SavedStream,
        pod: &'b RulePod<'b>,
    ) -> impl Fn() -> Result<OpenLog, StepError> + 'b {
        move || {
            let missing = || StepError::new(codes::BUG, format!("{} has no log", pod.stream));
            let log = pod.rule.log.as_ref().ok_or_else(missing)?;
            let records = LogRecords::of(self.paths);
            let lock = records.lock()?;
            let after = logs_since(saved, &records, repository)?;
            Ok(OpenLog::new(pod.open(&log.save, None)?, lock, after))
        }
    }

    fn demands(&self, repository: &Repository) -> Result<[Demand; 2], StepError> {
        let estimate = BackupEstimate::of(self.paths, self.cluster, self.release, Some(repository))?;
        Ok(match self.next {
            NextOfBackup::Drill => estimate.demands(self.paths),
            NextOfBackup::Nothing => estimate.demands_without_drill(self.paths),
        })
    }

    /// Writes the links of the following log backups into the manifest. Returns the streams whose logs begin with this
    /// backup.
    fn link_all(&self, manifest: &mut Manifest) -> Result<Vec<String>, StepError> {
        let mut begun = Vec::new();
        for saved in &mut manifest.streams {
            let link = self.link(saved)?;
            if matches!(link, Link::New(_)) {
                begun.push(saved.name());
            }
            saved.link = link.into_word();
        }
        Ok(begun)
    }

    fn pod<'b>(&'b self, saved: &'b SavedStream) -> RulePod<'b> {
        RulePod { cluster: self.cluster, stream: saved.name(), namespace: &saved.namespace, rule: &saved.rule }
    }

    /// Returns the link that later log backups of a stream follow. If no log is kept, or a part may be lost, the
    /// software begins to keep it. If that fails, the backup is still good without it.
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

/// Returns the log backups that were made since the link of a stream was read, oldest first. The software has dropped
/// their part of the log. The log must be locked.
fn logs_since(saved: &SavedStream, records: &LogRecords, repository: &Repository) -> Result<Vec<BackupId>, StepError> {
    let name = saved.name();
    let newest = records.link(&name)?;
    let Some(newest) = newest.filter(|newest| Some(newest) != saved.link.as_ref()) else { return Ok(Vec::new()) };
    let logs = repository.everything().map_err(unusable)?.logs;
    let made = Chain::of(saved, &LogIndex::of(&logs)).up_to_link(&newest);
    made.ok_or_else(|| StepError::new(codes::BACKUP_STREAM, format!("the log of {name} began again during the backup")))
}

/// A backup that was made.
#[derive(Debug)]
pub struct SavedBackup {
    /// The backup.
    pub backup: Backup,
    /// Streams that it lacks.
    pub failed: FailedStreams,
}

/// Sources of a backup.
#[derive(Clone, Copy)]
struct Sources<'a> {
    manifest: &'a Manifest,
    /// Streams whose logs begin with the backup.
    begun: &'a [String],
    failed: &'a FailedStreams,
}

impl Sources<'_> {
    /// Returns the facts about failures of a backup. Fails if an essential part failed: the site's own files, or all
    /// data.
    fn judge(self, mut unread: Vec<FailedStream>) -> Result<BTreeMap<String, String>, FailedStream> {
        let is_noted = |name: &StreamName| self.failed.has(name.as_str()) || is_journal(name);
        if let Some(index) = unread.iter().position(|one| !is_noted(&one.name)) {
            return Err(unread.swap_remove(index));
        }
        for one in unread.iter().filter(|one| is_journal(&one.name)) {
            tracing::warn!(journal = %one.name, error = %one.source, "the backup is made without a journal");
        }
        let is_saved = |stream: &str| !self.failed.has(stream);
        let has_data = self.manifest.streams.iter().any(|saved| is_saved(&saved.name()));
        if !has_data && let Some(first) = unread.into_iter().next() {
            return Err(first);
        }
        let mut facts = lacking_facts(self.failed.names().iter().map(String::as_str));
        // A log whose first backup was not saved begins with the next one.
        if self.begun.iter().any(|stream| is_saved(stream)) {
            facts.insert(BEGINS_LOG.to_owned(), "yes".to_owned());
        }
        Ok(facts)
    }
}

/// Reading order of a backup's streams, by their positions in its manifest.
#[derive(Debug, PartialEq, Eq)]
struct ReadingOrder {
    /// Streams that are saved alone, those with a log first.
    alone: Vec<usize>,
    /// Streams of a cut whose writers are held, read last.
    held: Vec<usize>,
    /// Streams of `alone` whose log leads to the cut.
    logged: Vec<usize>,
}

impl ReadingOrder {
    /// Determines the order. A single stream needs no hold, because its data is of one time. If its data is counted,
    /// that time must be known.
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

/// Link that the log backups of a stream follow.
#[derive(Debug, PartialEq, Eq)]
enum Link {
    /// No log is kept.
    None,
    /// The existing log continues with this link.
    Known(String),
    /// A log that begins with this backup.
    New(String),
}

impl From<WholeLink> for Link {
    /// A log begins with the first stored backup that has its link, however many failed before.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::BackupFolder;
    use super::super::folder::tests::host;
    use super::*;
    use crate::testing::log as sample_log;

    /// Returns a stream, with or without a log and a hold.
    fn sample_stream(name: &str, has_log: bool, has_hold: bool) -> SavedStream {
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
    fn log_without_base_starts_anew() {
        let known = |has_base| Link::from(WholeLink { word: "a".to_owned(), has_base });
        assert_eq!((known(false), known(true)), (Link::New("a".to_owned()), Link::Known("a".to_owned())));
    }

    #[test]
    fn logs_are_read_before_held_streams() {
        let [cache, files, rows, more] = [
            sample_stream("cache", false, true),
            sample_stream("files", false, false),
            sample_stream("rows", true, true),
            sample_stream("more", true, false),
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
        // A stream whose data is counted has a cut of its own.
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
    fn log_backups_made_meanwhile_are_found() {
        let (_root, paths) = host();
        let repository = BackupFolder::of(&paths).open_or_create().unwrap();
        let (records, saved) = (LogRecords::of(&paths), sample_stream("rows", true, false));
        records.begin("db/rows", "word").unwrap();
        assert_eq!(logs_since(&saved, &records, &repository).unwrap(), [], "there is no log backup without a base");
        records.has_base("db/rows", "word").unwrap();
        assert_eq!(logs_since(&saved, &records, &repository).unwrap(), []);
        let mut made = Vec::new();
        for (after, link) in [("word", "b"), ("b", "c")] {
            let Backup { kind, time, facts, .. } = sample_log(1, after, link);
            let new = NewBackup { kind, time, facts, streams: Vec::new(), documents: Vec::new() };
            made.push(repository.save(new).unwrap().id);
            records.advance("db/rows", after, link, time).unwrap();
        }
        assert_eq!(logs_since(&saved, &records, &repository).unwrap(), made);
        records.begin("db/rows", "other").unwrap();
        records.has_base("db/rows", "other").unwrap();
        assert_eq!(logs_since(&saved, &records, &repository).unwrap_err().code(), codes::BACKUP_STREAM);
    }
}
