//! Verification, without the console, that an exported log is complete and is the one that the site signed.
//!
//! Without a key, it finds any changed byte, any removed, inserted, swapped or repeated entry, and any truncation. With
//! the site's public key, it also finds a rewrite of the log by an owner of the database. That holds up to the last
//! checkpoint in the export. The console writes the export, and may omit the newest checkpoints. Given the checkpoint
//! that the host signed last, it detects that omission as well.

use std::collections::BTreeMap;
use std::io::BufRead;

use jiff::Timestamp;
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use landfall_error_codes::codes;

use crate::checkpoint::{Checkpoint, Restart};
use crate::error::{AuditError, Result};
use crate::follower::Follower;
use crate::head::Head;
use crate::line::Line;
use crate::lines::Lines;

/// External knowledge about a log.
#[derive(Debug, Default)]
pub struct LogKnowledge {
    /// Public keys of the site. Without one, checkpoints are only compared with the chain.
    pub keys: Vec<PublicKey>,
    /// Head of an earlier export.
    pub head: Option<Head>,
    /// Checkpoint that the host signed last.
    pub last: Option<Checkpoint>,
    /// True if a user states that the export is from an earlier time, so that it may end before the last signed entry.
    /// The export's own time is only the console's claim.
    pub is_earlier_export: bool,
}

/// The result of verifying a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Predecessor of the first entry: the last entry that the console has dropped because of its age, which another
    /// entry records.
    pub start: Head,
    /// Last entry. All entries up to it are unchanged.
    pub head: Head,
    /// Time at which the export began, according to the export.
    pub exported: Timestamp,
    /// Number of checkpoints by known keys, all of them verified.
    pub verified: u64,
    /// Number of checkpoints by unknown keys, which prove nothing.
    pub unverified: u64,
    /// Last verified checkpoint, or the one that the host signed last, if the log has its entry. No signature covers
    /// later entries.
    pub covered: Option<Checkpoint>,
    /// Number of times that the log was continued from an earlier entry, under all known keys, according to their last
    /// checkpoints.
    pub restarts: u64,
    /// Latest of these restarts.
    pub restart: Option<Restart>,
    /// True if the log ends before the entry that the host signed last, which is allowed for an earlier export.
    pub is_earlier: bool,
}

/// Verifies an exported log. The error names the first entry that was changed.
pub fn verify(log: impl BufRead, known: &LogKnowledge) -> Result<Report> {
    let (mut reader, mut lines) = (Reader::new(known), Lines::of(log));
    while let Some(line) = lines.next()? {
        reader.take(line)?;
    }
    reader.finish()
}

struct Reader<'a> {
    known: &'a LogKnowledge,
    follower: Follower,
    /// Predecessor of the first entry.
    start: Head,
    /// True if an entry records that the previous ones were dropped.
    is_start_recorded: bool,
    /// True if the known head was found.
    has_head: bool,
    /// True if the entry that the host signed last was found.
    has_last: bool,
    verified: u64,
    unverified: u64,
    covered: Option<Checkpoint>,
    /// Last verified checkpoint of each key.
    last: BTreeMap<KeyId, Checkpoint>,
    end: Option<(String, Timestamp)>,
}

impl<'a> Reader<'a> {
    fn new(known: &'a LogKnowledge) -> Self {
        let has_head = known.head.is_none_or(|head| head == Head::EMPTY);
        let follower = Follower::behind(Head::EMPTY);
        Self {
            known,
            follower,
            start: Head::EMPTY,
            is_start_recorded: false,
            has_head,
            has_last: false,
            verified: 0,
            unverified: 0,
            covered: None,
            last: BTreeMap::new(),
            end: None,
        }
    }

    fn take(&mut self, text: &str) -> Result<()> {
        if self.end.is_some() {
            return Err(AuditError::broken("a line follows the head"));
        }
        let next = self.follower.head().number + 1;
        let not_exact = || {
            AuditError::broken(format!("entry {next} is not as it was written: its line is not one of an audit log"))
        };
        match Line::read(text).ok_or_else(not_exact)? {
            Line::AuditEntry { entry, hash, .. } => {
                let text = entry.canonical().map_err(|error| AuditError::broken(error.to_string()))?;
                let entry = self.follower.follow(&text, &hash)?;
                self.is_start_recorded |= entry.records_drop(self.start);
                self.compare()
            }
            Line::AuditCheckpoint { checkpoint, .. } => {
                if self.follower.head() == Head::EMPTY {
                    self.begin_behind(checkpoint.head);
                }
                self.check(checkpoint)
            }
            Line::AuditHead { head, exported, .. } => {
                self.end = Some((head, exported));
                Ok(())
            }
        }
    }

    /// Handles a checkpoint before any entry, which states the predecessor of the first one.
    fn begin_behind(&mut self, start: Head) {
        self.start = start;
        self.follower = Follower::behind(start);
        self.has_head |= Some(start) == self.known.head;
        self.has_last |= self.known.last.as_ref().is_some_and(|last| last.head == start);
    }

    /// Compares the entry that was just read with what is known about it.
    fn compare(&mut self) -> Result<()> {
        let head = self.follower.head();
        self.has_head |= Some(head) == self.known.head;
        self.has_last |= self.known.last.as_ref().is_some_and(|last| last.head == head);
        match &self.known.last {
            Some(last) if last.head.number == head.number && last.head != head => Err(AuditError::rewritten(format!(
                "entry {} is not the one that the site signed at {}: the log was rewritten, or is one that the site \
                 has continued from an earlier entry since",
                head.number, last.at
            ))),
            _ => Ok(()),
        }
    }

    fn check(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let (head, at) = (self.follower.head(), checkpoint.at);
        let signed = checkpoint.head;
        let key = self.known.keys.iter().find(|key| key.id() == checkpoint.key);
        if key.is_some_and(|key| !checkpoint.is_signed_by(key)) {
            let what = format!("the checkpoint of entry {} is not as the site signed it", signed.number);
            return Err(AuditError::new(codes::AUDIT_FORGED, what));
        }
        if signed.number > head.number {
            let by = if key.is_some() { "the site" } else { "a key that is not known" };
            let what = format!("{by} signed entry {} at {at}, and the log lacks it", signed.number);
            return Err(AuditError::truncated(what));
        }
        if signed.number < head.number {
            let what = format!("the checkpoint of entry {} follows entry {}", signed.number, head.number);
            return Err(AuditError::broken(what));
        }
        if signed != head {
            return Err(differs(head, &checkpoint));
        }
        if key.is_none() {
            self.unverified += 1;
            return Ok(());
        }
        self.follows(&checkpoint)?;
        self.verified += 1;
        self.last.insert(checkpoint.key, checkpoint.clone());
        self.cover(checkpoint);
        Ok(())
    }

    /// Checks that checkpoints of one key are in the order in which they were signed.
    fn follows(&self, next: &Checkpoint) -> Result<()> {
        match self.last.get(&next.key) {
            Some(before) if before.sequence >= next.sequence => {
                let what = format!("checkpoint {} follows checkpoint {}", next.sequence, before.sequence);
                Err(AuditError::rewritten(what))
            }
            _ => Ok(()),
        }
    }

    /// Takes a checkpoint as the latest one, unless the current one covers a later entry, or the same entry at a later
    /// time. An export has checkpoints of two keys in any order.
    fn cover(&mut self, next: Checkpoint) {
        if self.covered.as_ref().is_none_or(|known| (known.head.number, known.at) < (next.head.number, next.at)) {
            self.covered = Some(next);
        }
    }

    /// Adds the host's knowledge: an export may lack its newest checkpoints, and the restarts in them.
    fn recall(&mut self) {
        let Some(last) = &self.known.last else { return };
        if self.has_last {
            self.cover(last.clone());
        }
        let of_key = self.last.entry(last.key).or_insert_with(|| last.clone());
        if of_key.sequence < last.sequence {
            last.clone_into(of_key);
        }
    }

    fn finish(mut self) -> Result<Report> {
        let head = self.follower.head();
        let cut =
            || AuditError::broken(format!("the head after entry {} is missing: the end was cut off", head.number));
        let (end, exported) = self.end.take().ok_or_else(cut)?;
        if end.parse() != Ok(head) {
            let what = format!("the head does not name entry {}: entries at the end are missing", head.number);
            return Err(AuditError::broken(what));
        }
        let start = self.start;
        if start != Head::EMPTY && !self.is_start_recorded {
            let number = start.number;
            let what =
                format!("the log begins behind entry {number}, and no entry records that those up to it were dropped");
            return Err(AuditError::broken(what));
        }
        if !self.has_head && self.known.head.is_some_and(|head| head.number < start.number) {
            let number = start.number;
            let what = format!("the earlier head is older than the log, whose entries up to {number} were dropped");
            return Err(AuditError::truncated(what));
        }
        if !self.has_head {
            let number = self.known.head.map_or(0, |head| head.number);
            let what = format!("entry {number} is not the one of the earlier head: the log was rewritten or truncated");
            return Err(AuditError::broken(what));
        }
        if self.covered.is_none() && !self.known.keys.is_empty() {
            return Err(AuditError::new(codes::AUDIT_UNSIGNED, "the log has no checkpoint of the site's key"));
        }
        let later = self.known.last.as_ref().filter(|last| last.head.number > head.number);
        if let Some(last) = later
            && !(self.known.is_earlier_export && exported < last.at)
        {
            let what = format!(
                "the site signed entry {} at {:.0}, and the log ends with entry {}; it says that it was exported at \
                 {exported:.0}",
                last.head.number, last.at, head.number
            );
            return Err(AuditError::truncated(what));
        }
        let is_earlier = later.is_some();
        self.recall();
        let Self { verified, unverified, covered, last, .. } = self;
        let restarts = last.values().map(|checkpoint| checkpoint.restarts).sum();
        let restart = last.into_values().filter_map(|checkpoint| checkpoint.restart).max_by_key(|restart| restart.at);
        Ok(Report { start, head, exported, verified, unverified, covered, restarts, restart, is_earlier })
    }
}

fn differs(head: Head, signed: &Checkpoint) -> AuditError {
    AuditError::rewritten(format!("entry {} is not the one that the site signed at {}", head.number, signed.at))
}
