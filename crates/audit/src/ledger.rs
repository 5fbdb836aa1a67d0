//! The host's ledger: the checkpoints that it has signed, and the rules for signing the next one.
//!
//! Threats, with a compromised console:
//! - a rewritten chain (the host follows each entry after the last one that it signed, so another chain does not fit);
//! - two chains at once (there is one last checkpoint);
//! - an unnoticed return to an earlier entry (only a restart does that, which is signed, counted and named in every
//!   later checkpoint).
//!
//! The host itself may lose its state, if its files are restored from an earlier copy. In that case, the console has a
//! newer checkpoint than the host, with the host's own signature, and the host continues after that one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, Restart};
use crate::error::{AuditError, Result};
use crate::follower::Follower;
use crate::head::Head;
use crate::key::SiteKey;

/// Maximum number of restarts whose details are kept; all are counted.
const RESTARTS: usize = 100;

/// The console's request for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointRequest {
    /// Entries after the last checkpoint, in order, each as the text that was hashed. At least one.
    pub entries: Vec<String>,
    /// Head of these entries.
    pub head: Head,
    /// Restart, if the log does not contain the head that the host signed last.
    pub restart: Option<RestartRequest>,
    /// A checkpoint of this host that is newer than the last one in its ledger. The host has lost it, as after a
    /// restore of its files. The entries follow this checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<Checkpoint>,
    /// Predecessor of the log's first entry, if the log has dropped entries and this host has signed none of the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Head>,
}

/// The console's statement that its log lacks the head that the host signed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartRequest {
    /// Head that the host signed last, so that two restarts are not confused.
    pub abandoned: Head,
    /// Newest checkpoint that the log contains; the entries begin after it, or at the beginning.
    pub from: Option<Checkpoint>,
}

/// The checkpoints that a host has signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The last checkpoint.
    pub last: Option<Checkpoint>,
    /// The newest restarts, oldest first.
    pub restarts: Vec<Restart>,
}

impl Ledger {
    /// Signs the requested checkpoint. It becomes effective once the ledger is on the disk. A refused request changes
    /// nothing.
    pub fn sign(
        &mut self,
        key: &SiteKey,
        site: &str,
        request: &CheckpointRequest,
        now: Timestamp,
    ) -> Result<Checkpoint> {
        let mut next = self.clone();
        if let Some(newer) = &request.newer {
            next.remember(key, newer)?;
        }
        let restart = match &request.restart {
            None => None,
            Some(restart) => Some(next.restart(key, restart, now)?),
        };
        let last = next.last.as_ref();
        let begin = restart.as_ref().map_or_else(|| head_of(last), |restart| restart.kept);
        let begin = match request.start {
            Some(start) if begin == Head::EMPTY => start,
            _ => begin,
        };
        follow(begin, request)?;
        let count = last.map_or(0, |last| last.restarts) + u64::from(restart.is_some());
        let unsigned = Checkpoint {
            at: now,
            head: request.head,
            key: key.public().id(),
            restart: restart.clone().or_else(|| last.and_then(|last| last.restart.clone())),
            restarts: count,
            sequence: last.map_or(0, |last| last.sequence) + 1,
            signature: String::new(),
            site: site.to_owned(),
        };
        let signed = unsigned.sign(key)?;
        next.last = Some(signed.clone());
        next.restarts.extend(restart);
        next.restarts.drain(..next.restarts.len().saturating_sub(RESTARTS));
        *self = next;
        Ok(signed)
    }

    /// Adopts a checkpoint that the host has lost, and the restart in it. Only the host can have signed it, so this can
    /// only restore a state that the host has signed.
    fn remember(&mut self, key: &SiteKey, newer: &Checkpoint) -> Result<()> {
        if !newer.is_signed_by(key.public()) {
            return Err(AuditError::forked("the newer checkpoint is not this host's"));
        }
        let known = self.last.as_ref().map_or(0, |last| last.sequence);
        if newer.sequence <= known {
            let what = format!("checkpoint {} is not newer than checkpoint {known}", newer.sequence);
            return Err(AuditError::forked(what));
        }
        self.restarts.extend(newer.restart.clone().filter(|restart| !self.restarts.contains(restart)));
        self.last = Some(newer.clone());
        Ok(())
    }

    fn restart(&self, key: &SiteKey, request: &RestartRequest, now: Timestamp) -> Result<Restart> {
        let last = head_of(self.last.as_ref());
        if request.abandoned != last || last == Head::EMPTY {
            return Err(AuditError::forked(format!("the last signed entry is {last}, not {}", request.abandoned)));
        }
        if request.from.as_ref().is_some_and(|from| !from.is_signed_by(key.public())) {
            return Err(AuditError::forked("the checkpoint from which the log restarts is not this host's"));
        }
        let kept = head_of(request.from.as_ref());
        if kept == last {
            return Err(AuditError::forked(format!("a log that has entry {last} needs no restart")));
        }
        Ok(Restart { abandoned: last, at: now, kept })
    }
}

fn head_of(checkpoint: Option<&Checkpoint>) -> Head {
    checkpoint.map_or(Head::EMPTY, |checkpoint| checkpoint.head)
}

/// Follows the entries of a request from the end of the signed chain.
fn follow(begin: Head, request: &CheckpointRequest) -> Result<()> {
    let mut follower = Follower::behind(begin);
    for text in &request.entries {
        let forked = |error: AuditError| AuditError::forked(format!("the received chain is not valid: {error}"));
        follower.extend(text).map_err(forked)?;
    }
    if follower.head() == request.head && !request.entries.is_empty() {
        return Ok(());
    }
    Err(AuditError::forked(format!("the chain that was sent does not continue the signed entry {begin}")))
}
