//! Record of the log backup that each stream's next one follows: `/var/lib/landfall/backups/logs.json`.
//!
//! A lost or damaged file loses points in time until the next full backup, but no backup. A damaged file is reported,
//! and set aside when logs begin again.

use std::fs::File;
use std::path::PathBuf;

use jiff::Timestamp;
use landfall_documents::backups::LogStatus;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError as _, codes};
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use serde::{Deserialize, Serialize};

/// Lock file beside the records, held while log backups are made.
const LOCK: &str = "logs.lock";

/// State of a stream's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord {
    /// `COMPONENT/RULE`.
    stream: String,
    /// Link that the next log backup follows.
    link: String,
    /// True if there is a full backup that the log backups follow.
    has_base: bool,
    until: Option<String>,
    reason: Option<String>,
    /// True if a program failed since the latest log backup, so a part of the log may be lost.
    has_failed: bool,
}

/// Link of a log without losses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeLink {
    /// The link.
    pub(crate) word: String,
    /// True if a full backup has the link. Otherwise, the log begins with the next full backup.
    pub(crate) has_base: bool,
}

/// A log in which nothing unsaved follows a link until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleLog {
    /// `COMPONENT/RULE`.
    pub(crate) stream: String,
    /// The link.
    pub(crate) link: String,
    /// The time.
    pub(crate) until: Timestamp,
}

/// Records of a site.
pub struct LogRecords {
    folder: PathBuf,
    file: PathBuf,
}

impl LogRecords {
    /// Returns the records of a site.
    pub fn of(paths: &SitePaths) -> Self {
        Self { folder: paths.backups(), file: paths.backup_logs() }
    }

    /// Returns the reach of each log.
    pub fn status(&self) -> Vec<LogStatus> {
        let status = |LogRecord { stream, until, reason, .. }| LogStatus { stream, until, reason };
        match self.all() {
            Ok(records) => records.into_iter().map(status).collect(),
            Err(error) => {
                let (stream, reason) = (self.file.display().to_string(), Some(with_causes(&error)));
                vec![LogStatus { stream, until: None, reason }]
            }
        }
    }

    /// Reads every record; empty before the first log. Fails if the file cannot be read, because the links are then
    /// unknown.
    fn all(&self) -> Result<Vec<LogRecord>, StepError> {
        let Some(bytes) = files::read(&self.file)? else { return Ok(Vec::new()) };
        serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("{} does not hold the record of log backups", self.file.display());
            StepError::new(codes::LOG_RECORDS, what).because(error)
        })
    }

    /// Sets an unreadable file aside, so that logs begin again without earlier log backups.
    fn recover(&self) -> Result<(), StepError> {
        let _folder = self.lock_folder()?;
        match self.all() {
            Err(error) if error.code() == codes::LOG_RECORDS => {
                let aside = self.file.with_extension("json.damaged");
                tracing::warn!(error = with_causes(&error), aside = %aside.display(), "every log begins again");
                Ok(durable::rename(&self.file, &aside)?)
            }
            read => read.map(drop),
        }
    }

    /// Waits for exclusive access to log backups and starts of logs, until the returned file is dropped.
    pub fn lock(&self) -> Result<File, StepError> {
        let path = self.folder.join(LOCK);
        let failed = |error| files::file_error("lock", &path, error);
        if !path.exists() {
            durable::write_file(&path, b"", 0o600)?;
        }
        let file = File::open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Returns the link that the next log backup of a stream follows; `None` if there is no backup to which it would
    /// belong.
    pub(crate) fn link(&self, stream: &str) -> Result<Option<String>, StepError> {
        let found = self.all()?.into_iter().find(|record| record.stream == stream);
        Ok(found.filter(|record| record.has_base).map(|record| record.link))
    }

    /// Returns the link of a log that is certainly complete, with or without a backup to which it belongs.
    pub(crate) fn whole_link(&self, stream: &str) -> Option<WholeLink> {
        // If the record is damaged, a part of the log may be lost.
        let found = self.all().ok()?.into_iter().find(|record| record.stream == stream);
        let whole = found.filter(|record| !record.has_failed)?;
        Some(WholeLink { word: whole.link, has_base: whole.has_base })
    }

    /// Records that a log begins with this link. On the disk on return.
    pub(crate) fn begin(&self, stream: &str, link: &str) -> Result<(), StepError> {
        let new = LogRecord {
            stream: stream.to_owned(),
            link: link.to_owned(),
            has_base: false,
            until: None,
            reason: None,
            has_failed: false,
        };
        self.recover()?;
        self.change(|records| {
            records.retain(|record| record.stream != stream);
            records.push(new);
        })
    }

    /// Records a full backup that the log backups after this link follow. On the disk on return.
    pub(crate) fn has_base(&self, stream: &str, link: &str) -> Result<(), StepError> {
        self.change_one(stream, link, |record| record.has_base = true).map(drop)
    }

    /// Records a stored log backup that follows `after`, with everything until then. On the disk on return. Returns
    /// false without a change if the log has begun again.
    pub(crate) fn advance(&self, stream: &str, after: &str, link: &str, until: Timestamp) -> Result<bool, StepError> {
        self.change_one(stream, after, |record| {
            link.clone_into(&mut record.link);
            record.until = Some(format!("{until:.0}"));
            record.reason = None;
            record.has_failed = false;
        })
    }

    /// Records that the log backup after `after` was not made. On the disk on return.
    pub(crate) fn fail(&self, stream: &str, after: &str, reason: &str, has_failed: bool) -> Result<(), StepError> {
        let changed = self.change_one(stream, after, |record| {
            record.reason = Some(reason.to_owned());
            record.has_failed |= has_failed;
        });
        changed.map(|_| ())
    }

    /// Returns the times until which nothing was logged after each link, if known: no log backup contains this.
    pub fn idle(&self) -> Vec<IdleLog> {
        let records = self.all().unwrap_or_default().into_iter();
        let idle = |record: LogRecord| {
            let until = record.until?.parse().ok()?;
            record.has_base.then_some(IdleLog { stream: record.stream, link: record.link, until })
        };
        records.filter_map(idle).collect()
    }

    /// Records a reason for missing log backups of all streams. A failure is ignored, because the reason is reported in
    /// any case.
    pub fn fail_all(&self, reason: &str) {
        let fail = |record: &mut LogRecord| record.reason = Some(reason.to_owned());
        if self.all().is_ok_and(|records| !records.is_empty()) {
            let _ = self.change(|records| records.iter_mut().for_each(fail));
        }
    }

    /// Records that later logs of these streams follow no log backup. On the disk on return.
    pub fn end(&self, streams: &[String]) -> Result<(), StepError> {
        self.end_where(|record| streams.contains(&record.stream))
    }

    /// Like [`Self::end`], for all streams.
    pub fn end_all(&self) -> Result<(), StepError> {
        self.end_where(|_| true)
    }

    fn end_where(&self, is_ended: impl Fn(&LogRecord) -> bool) -> Result<(), StepError> {
        if !self.folder.exists() {
            return Ok(());
        }
        self.recover()?;
        if !self.all()?.iter().any(&is_ended) {
            return Ok(());
        }
        self.change(|records| records.retain(|record| !is_ended(record)))
    }

    fn change_one(&self, stream: &str, link: &str, change: impl FnOnce(&mut LogRecord)) -> Result<bool, StepError> {
        let mut is_there = false;
        self.change(|records| {
            if let Some(record) = records.iter_mut().find(|record| record.stream == stream && record.link == link) {
                change(record);
                is_there = true;
            }
        })?;
        Ok(is_there)
    }

    /// Makes one change at a time, because a backup and a log backup may run concurrently.
    fn change(&self, change: impl FnOnce(&mut Vec<LogRecord>)) -> Result<(), StepError> {
        let _folder = self.lock_folder()?;
        let mut records = self.all()?;
        change(&mut records);
        let bytes = serde_json::to_vec_pretty(&records).unwrap_or_default();
        Ok(durable::write_file(&self.file, &bytes, 0o600)?)
    }

    fn lock_folder(&self) -> Result<File, StepError> {
        let failed = |error| files::file_error("lock", &self.folder, error);
        let folder = File::open(&self.folder).map_err(failed)?;
        folder.lock().map_err(failed)?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> (tempfile::TempDir, LogRecords) {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.backups()).unwrap();
        (root, LogRecords::of(&paths))
    }

    fn word(records: &LogRecords) -> Option<String> {
        records.whole_link("db/rows").map(|link| link.word)
    }

    #[test]
    fn log_has_base_after_backup() {
        let (_root, records) = records();
        records.begin("db/rows", "a").unwrap();
        assert_eq!(records.whole_link("db/rows"), Some(WholeLink { word: "a".to_owned(), has_base: false }));
        records.has_base("db/rows", "a").unwrap();
        assert_eq!(records.whole_link("db/rows"), Some(WholeLink { word: "a".to_owned(), has_base: true }));
    }

    #[test]
    fn log_advances_from_link_to_link() {
        let (_root, records) = records();
        assert_eq!(records.link("db/rows").unwrap(), None);
        records.begin("db/rows", "a").unwrap();
        records.begin("kv/keys", "x").unwrap();
        assert_eq!(records.link("db/rows").unwrap(), None, "no backup exists");
        records.has_base("db/rows", "a").unwrap();
        assert!(records.advance("db/rows", "a", "b", Timestamp::UNIX_EPOCH).unwrap());
        // Two log backups at once: the one recorded last counts.
        assert!(!records.advance("db/rows", "a", "c", Timestamp::UNIX_EPOCH).unwrap());
        assert_eq!(records.link("db/rows").unwrap().as_deref(), Some("b"));
        assert_eq!(records.status()[0].until.as_deref(), Some("1970-01-01T00:00:00Z"));
        records.end(&["db/rows".to_owned()]).unwrap();
        assert_eq!(records.all().unwrap().len(), 1);
        records.end_all().unwrap();
        assert!(records.all().unwrap().is_empty());
        assert!(!records.advance("db/rows", "b", "c", Timestamp::UNIX_EPOCH).unwrap());
    }

    #[test]
    fn idle_log_advances_only_its_time() {
        let (_root, records) = records();
        records.begin("db/rows", "a").unwrap();
        assert_eq!(records.idle(), [], "no backup exists");
        records.has_base("db/rows", "a").unwrap();
        for second in [60, 120] {
            let until = Timestamp::from_second(second).unwrap();
            assert!(records.advance("db/rows", "a", "a", until).unwrap());
            let expected = IdleLog { stream: "db/rows".to_owned(), link: "a".to_owned(), until };
            assert_eq!(records.idle(), [expected]);
        }
        assert_eq!(records.link("db/rows").unwrap().as_deref(), Some("a"));
    }

    #[test]
    fn failure_is_kept_until_success() {
        let (_root, records) = records();
        records.begin("db/rows", "a").unwrap();
        records.has_base("db/rows", "a").unwrap();
        records.fail("db/rows", "a", "no pod", false).unwrap();
        assert_eq!(word(&records).as_deref(), Some("a"));
        records.fail("db/rows", "a", "the log is lost", true).unwrap();
        records.fail("db/rows", "a", "no pod", false).unwrap();
        assert_eq!((word(&records), records.link("db/rows").unwrap().is_some()), (None, true));
        records.advance("db/rows", "a", "b", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(word(&records).as_deref(), Some("b"));
        assert_eq!(records.all().unwrap()[0].reason, None);
    }

    #[test]
    fn damaged_record_refuses_log_backups() {
        let (_root, records) = records();
        records.begin("db/rows", "a").unwrap();
        records.has_base("db/rows", "a").unwrap();
        durable::write_file(&records.file, b"[{", 0o600).unwrap();
        assert_eq!(records.link("db/rows").unwrap_err().code(), codes::LOG_RECORDS);
        let refused = records.advance("db/rows", "a", "b", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(refused.code(), codes::LOG_RECORDS);
        assert!(records.status()[0].reason.as_ref().is_some_and(|reason| reason.contains("logs.json")));
        records.fail_all("no pod");
        assert_eq!(fs_err::read(&records.file).unwrap(), b"[{", "it is not written over");
        assert!(records.whole_link("db/rows").is_none(), "the log begins again with the next backup");
        records.begin("db/rows", "x").unwrap();
        assert!(records.whole_link("db/rows").is_some());
        assert_eq!(fs_err::read(records.file.with_extension("json.damaged")).unwrap(), b"[{");
        durable::write_file(&records.file, b"[{", 0o600).unwrap();
        records.end_all().unwrap();
        assert_eq!(records.link("db/rows").unwrap(), None);
    }
}
