//! Whether an exported log is whole, and the one that the site signed, without the console.
//!
//! What it finds without a key: any change of a byte, a removed, inserted, swapped or repeated entry, and a cut anywhere. With the site's
//! public key also: a log that was rewritten from some entry on, by someone who owns the database, up to the last checkpoint that it still
//! has: the console writes the export, and may leave the newest checkpoints out. With what the host signed last also: that.

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

/// What is known about a log from elsewhere.
#[derive(Debug, Default)]
pub struct Known {
    /// Public keys of the site. Without one, checkpoints are only compared with the chain.
    pub keys: Vec<PublicKey>,
    /// The head of an earlier export.
    pub head: Option<Head>,
    /// What the host signed last.
    pub last: Option<Checkpoint>,
    /// Whether a person says that the export is of an earlier time, so that it may end before what the host signed last. What the
    /// export itself says of its time is the console's word.
    pub is_earlier_export: bool,
}

/// What a log was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the first entry follows: the last one that the console has dropped for its age, which an entry records.
    pub start: Head,
    /// The last entry. All up to it are as they were written.
    pub head: Head,
    /// When the export began, as it says.
    pub exported: Timestamp,
    /// Checkpoints of known keys, all of them verified.
    pub verified: u64,
    /// Checkpoints of keys that are not known: they prove nothing.
    pub unverified: u64,
    /// The last verified checkpoint, or what the host signed last, if the log has that entry; entries after it are not covered by any
    /// signature.
    pub covered: Option<Checkpoint>,
    /// How often the log was continued from an earlier entry, under all known keys, as their last checkpoints count it.
    pub restarts: u64,
    /// The latest of these times.
    pub restart: Option<Restart>,
    /// The log ends before what the host signed last, as an export of an earlier time may.
    pub is_earlier: bool,
}

/// Checks an exported log. The error names the first entry that is not as it was.
pub fn verify(log: impl BufRead, known: &Known) -> Result<Report> {
    let (mut reader, mut lines) = (Reader::new(known), Lines::of(log));
    while let Some(line) = lines.next()? {
        reader.take(line)?;
    }
    reader.finish()
}

struct Reader<'a> {
    known: &'a Known,
    follower: Follower,
    /// What the first entry follows.
    start: Head,
    /// Whether an entry records that the ones before were dropped.
    is_start_recorded: bool,
    /// Whether the known head was met.
    has_head: bool,
    /// Whether the entry that the host signed last was met.
    has_last: bool,
    verified: u64,
    unverified: u64,
    covered: Option<Checkpoint>,
    /// The last verified checkpoint of each key.
    last: BTreeMap<KeyId, Checkpoint>,
    end: Option<(String, Timestamp)>,
}

impl<'a> Reader<'a> {
    fn new(known: &'a Known) -> Self {
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

    /// A checkpoint before any entry says what the first one follows.
    fn begin_behind(&mut self, start: Head) {
        self.start = start;
        self.follower = Follower::behind(start);
        self.has_head |= Some(start) == self.known.head;
        self.has_last |= self.known.last.as_ref().is_some_and(|last| last.head == start);
    }

    /// Compares the entry that was just read with what is known of it.
    fn compare(&mut self) -> Result<()> {
        let head = self.follower.head();
        self.has_head |= Some(head) == self.known.head;
        self.has_last |= self.known.last.as_ref().is_some_and(|last| last.head == head);
        match &self.known.last {
            Some(last) if last.head.number == head.number && last.head != head => Err(AuditError::rewritten(format!(
                "entry {} is not the one that the site signed at {}: the log was rewritten, or is one that the site has \
                 continued from an earlier entry since",
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

    /// Checkpoints of one key are in the order in which they were signed.
    fn follows(&self, next: &Checkpoint) -> Result<()> {
        match self.last.get(&next.key) {
            Some(before) if before.sequence >= next.sequence => {
                let what = format!("checkpoint {} follows checkpoint {}", next.sequence, before.sequence);
                Err(AuditError::rewritten(what))
            }
            _ => Ok(()),
        }
    }

    /// Takes a checkpoint as the latest one, unless one of the same entry is later: of two keys, an export has them in any order.
    fn cover(&mut self, next: Checkpoint) {
        if self.covered.as_ref().is_none_or(|known| (known.head.number, known.at) < (next.head.number, next.at)) {
            self.covered = Some(next);
        }
    }

    /// Takes up what the host remembers: an export may lack its newest checkpoints, and the restarts that these name.
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
            let what =
                format!("the earlier head is older than the log, of which the entries up to {number} were dropped");
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
                "the site signed entry {} at {:.0}, and the log ends with entry {}; it says that it was exported at {exported:.0}",
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
