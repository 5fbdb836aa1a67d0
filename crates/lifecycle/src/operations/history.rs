//! History of a site's operations, from their journals alone. Closed operations are read from the folded document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_documents::operation::Operation;
use landfall_documents::warning::AcceptedWarning;
use landfall_error_codes::{CodedError, codes};

use landfall_engine::causes::with_causes;
use landfall_engine::journal::{JournalFile, Phase, SiteLock, record};
use landfall_engine::plan::{Plan, StepId};
use landfall_host::step_times::{self, StepTime};

use super::decision::Refusal;
use super::error::{OperationError, Result};
use super::folded::{Effect, FoldedOperations};
use super::past::{JournaledOperation, release_of};
use super::{Operations, engine_file};
use crate::plan::upgrade::StepTimes;
use crate::steps::action::{Action, LastActions};
use landfall_site::pins::{KeptRelease, PinnedTrust, Pins};

/// Number of releases that a site keeps: the installed one, and the one before it.
const KEPT_RELEASES: usize = 2;

/// An unreadable journal of a closed operation.
#[derive(Debug)]
pub(super) struct UnreadableJournal {
    pub(super) path: PathBuf,
    /// Reason, with all causes.
    pub(super) reason: String,
}

impl UnreadableJournal {
    /// Returns the warning.
    pub(super) fn note(&self) -> String {
        format!(
            "the old journal {} cannot be read: {}; backups and what runs do not need it",
            self.path.display(),
            self.reason
        )
    }
}

/// The operations of a site, oldest first. The first one installed it.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The first operations, all closed, with their files. Their journals are not read.
    folded: FoldedOperations,
    files: Vec<JournalFile>,
    /// Operations whose journals were read: all others, and the newest one that was not undone.
    read: Vec<JournaledOperation>,
    unreadable: Vec<UnreadableJournal>,
}

/// Facts of every operation, folded or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct OperationFacts<'a> {
    pub(super) file: &'a JournalFile,
    pub(super) pins: Option<&'a Pins>,
    is_committed: bool,
    is_undone: bool,
    is_closed: bool,
}

impl OperationFacts<'_> {
    /// Returns name and version of its release; `None` without a first record.
    pub(super) fn release(&self) -> Option<String> {
        self.pins.map(release_of)
    }
}

impl<'a> From<&'a JournaledOperation> for OperationFacts<'a> {
    fn from(past: &'a JournaledOperation) -> Self {
        let (is_committed, is_undone, is_closed) =
            (past.is_committed(), past.is_undone(), past.replay.state.is_closed());
        Self { file: &past.file, pins: past.pins(), is_committed, is_undone, is_closed }
    }
}

impl History {
    /// Returns every readable operation, oldest first.
    fn known_operations(&self) -> Vec<OperationFacts<'_>> {
        let folded = self.folded.operations().iter().zip(&self.files).map(|(closed, file)| OperationFacts {
            file,
            pins: Some(&closed.pins),
            is_committed: closed.committed,
            is_undone: !closed.committed,
            is_closed: true,
        });
        let mut known: Vec<_> = folded.collect();
        let is_unfolded = |past: &&JournaledOperation| known.iter().all(|known| known.file.number != past.file.number);
        let read: Vec<_> = self.read.iter().filter(is_unfolded).map(OperationFacts::from).collect();
        known.extend(read);
        known.sort_by_key(|known| known.file.number);
        known
    }

    /// Returns the pins of committed operations, latest first.
    fn committed_pins(&self) -> impl Iterator<Item = &Pins> {
        self.known_operations().into_iter().rev().filter(|known| known.is_committed).filter_map(|known| known.pins)
    }

    /// Returns the operation that decides the state of the site: the install if it is partly or fully undone.
    /// Otherwise, it is the last operation that was not undone automatically.
    pub(super) fn deciding(&self) -> Option<&JournaledOperation> {
        self.read.get(self.deciding_index()?)
    }

    /// Like [`Self::deciding`], by value.
    pub(super) fn into_deciding(mut self) -> Option<JournaledOperation> {
        let index = self.deciding_index()?;
        Some(self.read.swap_remove(index))
    }

    fn deciding_index(&self) -> Option<usize> {
        let is_leaving = |past: &JournaledOperation| {
            past.file.number == self.files.first().map_or(0, |file| file.number)
                && matches!(past.replay.state.phase, Phase::Undoing { .. } | Phase::Undone { .. })
        };
        let first = self.read.first()?;
        if is_leaving(first) {
            return Some(0);
        }
        Some(self.read.iter().rposition(|past| !past.is_undone()).unwrap_or(0))
    }

    /// Returns the operation that installed the site.
    pub(super) fn first(&self) -> Option<OperationFacts<'_>> {
        self.known_operations().into_iter().next()
    }

    /// Returns the last committed operation.
    pub(super) fn last_committed(&self) -> Option<&JournaledOperation> {
        self.read.iter().rev().find(|past| past.is_committed())
    }

    /// Returns old journals that cannot be read. Methods of this history that do not fail do not depend on them.
    pub(super) fn unreadable(&self) -> &[UnreadableJournal] {
        &self.unreadable
    }

    /// Fails if a journal cannot be read, for results that depend on every operation.
    pub(super) fn expect_whole(&self) -> Result<()> {
        match self.unreadable.first() {
            None => Ok(()),
            Some(UnreadableJournal { path, reason }) => {
                Err(OperationError::Archive { path: path.clone(), reason: reason.clone() })
            }
        }
    }

    /// Returns the releases whose content the site keeps: the installed one, then the one before it, which a rollback
    /// restores.
    pub(super) fn kept_releases(&self) -> Vec<KeptRelease> {
        let mut kept: Vec<KeptRelease> = Vec::new();
        for pins in self.committed_pins() {
            if kept.len() < KEPT_RELEASES && kept.iter().all(|known| known.bundle != pins.bundle) {
                kept.push(pins.into());
            }
        }
        kept
    }

    /// Returns the accepted warnings of the operation that brought this bundle's release.
    pub(super) fn accepted_warnings(&self, bundle: Sha256) -> Vec<AcceptedWarning> {
        let mut pins = self.committed_pins();
        pins.find(|pins| pins.bundle == bundle).map(|pins| pins.accepted.clone()).unwrap_or_default()
    }

    /// Returns the accepted warnings of all operations that were not undone, latest first.
    pub(super) fn all_accepted(&self) -> Vec<AcceptedWarning> {
        let pins =
            self.known_operations().into_iter().rev().filter(|known| !known.is_undone).filter_map(|known| known.pins);
        pins.flat_map(|pins| pins.accepted.clone()).collect()
    }

    /// Returns the newest root document that an operation trusted, unless that was undone. After a rollback, the older
    /// root of its release must not count for later bundles. Fails if an operation cannot be read, because it may have
    /// trusted a newer one.
    pub(super) fn newest_trust(&self) -> Result<Option<&PinnedTrust>> {
        self.expect_whole()?;
        let pins = self.known_operations().into_iter().filter(|known| !known.is_undone).filter_map(|known| known.pins);
        Ok(pins.map(|pins| &pins.trust).max_by_key(|trust| trust.number))
    }

    /// Returns bundles whose heads the journals need: those with content, and the install's, which an uninstall undoes.
    pub(super) fn heads(&self) -> BTreeSet<Sha256> {
        self.with_content().into_iter().chain(bundles(self.first().into_iter())).collect()
    }

    /// Returns bundles whose content the site stores: the kept releases, and those of an open operation.
    pub(super) fn with_content(&self) -> BTreeSet<Sha256> {
        let kept = self.kept_releases().into_iter().map(|kept| kept.bundle);
        let open = self.known_operations().into_iter().filter(|known| !known.is_closed);
        kept.chain(bundles(open)).collect()
    }

    /// Returns the programs that an operation may still need. An uninstall uses the install's program, queries may use
    /// the last operation's, and an open operation continues with its own.
    pub(super) fn engines(&self) -> BTreeSet<Sha256> {
        let known = self.known_operations();
        let asked = [self.first(), self.last_committed().map(OperationFacts::from), known.last().copied()]
            .into_iter()
            .flatten();
        let open = known.iter().copied().filter(|known| !known.is_closed);
        open.chain(asked).filter_map(|known| known.pins).map(|pins| pins.engine).collect()
    }

    /// Returns the last action of each step in committed operations.
    pub(super) fn last_actions(&self) -> Result<LastActions> {
        self.expect_whole()?;
        let mut made = self.folded.last_actions().ok_or_else(|| OperationError::Archive {
            path: self.files.first().map(|file| file.path.clone()).unwrap_or_default(),
            reason: "a newer landfall made what this one does not know".to_owned(),
        })?;
        for past in self.unfolded_operations() {
            for effect in past.effects()? {
                match effect {
                    Effect::Makes(id, action) => drop(made.insert(id, action)),
                    Effect::Removes(id) => drop(made.remove(&id)),
                }
            }
        }
        Ok(made)
    }

    /// Returns the operations that are not folded yet.
    fn unfolded_operations(&self) -> impl Iterator<Item = &JournaledOperation> {
        let folded = &self.files[..self.folded.operations().len().min(self.files.len())];
        let last = folded.last().map_or(0, |file| file.number);
        self.read.iter().filter(move |past| past.file.number > last)
    }
}

impl History {
    /// Returns the duration of the last run of each step.
    pub(super) fn step_durations(&self) -> BTreeMap<StepId, Duration> {
        let folded = self.folded.operations().iter().flat_map(|closed| &closed.durations);
        let folded = folded.map(|(step, milliseconds)| (step.clone(), Duration::from_millis(*milliseconds)));
        folded.chain(self.unfolded_operations().flat_map(JournaledOperation::step_durations)).collect()
    }

    /// Like [`Self::step_durations`], in seconds.
    pub(super) fn step_times(&self) -> StepTimes {
        self.step_durations().into_iter().map(|(step, took)| (step, took.as_secs())).collect()
    }
}

/// Returns the bundles to which operations are pinned.
fn bundles<'a>(operations: impl Iterator<Item = OperationFacts<'a>>) -> impl Iterator<Item = Sha256> {
    let pins = operations.filter_map(|known| known.pins);
    pins.flat_map(|pins| std::iter::once(pins.bundle).chain(pins.kept.iter().map(|kept| kept.bundle)))
}

impl Operations {
    /// Reads every operation of the site: the folded closed ones, and the journals that decide. An unreadable old
    /// journal is not an error if a later operation was committed. Changes nothing.
    pub(super) fn history(&self) -> Result<History> {
        let journals = self.journals();
        let files = journals.list()?;
        let folded = FoldedOperations::read(&self.paths, &files);
        let (mut read, mut unreadable) = (Vec::new(), Vec::new());
        let mut is_decided = false;
        for (index, file) in files.iter().enumerate().rev() {
            // The newest operation that was not undone decides, and is always read. Operations that were undone after
            // it decide nothing.
            if folded.operations().get(index).is_some_and(|closed| is_decided || !closed.committed) {
                continue;
            }
            match journals.read(file) {
                Ok(replay) => {
                    let past = JournaledOperation { replay, file: file.clone() };
                    is_decided |= past.is_committed();
                    read.push(past);
                }
                Err(error) if is_decided && index > 0 => {
                    unreadable.push(UnreadableJournal { path: file.path.clone(), reason: with_causes(&error) });
                }
                Err(error) => return Err(error.into()),
            }
        }
        read.reverse();
        Ok(History { folded, files, read, unreadable })
    }

    /// Folds the operations that have ended since the last call, and frees the reserved space of their journals. A
    /// failure is only logged, because such operations stay in their journals.
    pub(super) fn fold_history(&self, lock: &SiteLock) {
        let folded = self.history().and_then(|history| {
            let mut folded = history.folded.clone();
            let known = folded.operations().len();
            for (past, file) in history.unfolded_operations().zip(&history.files[known..]) {
                // Only the next operation is folded, without a gap.
                let next = (past.file == *file).then(|| past.to_closed()).flatten();
                let Some(closed) = next else { break };
                if closed.pins.operation != Operation::Install {
                    self.journals().release_room(lock, file)?;
                }
                let failed = |source| OperationError::Plan { path: file.path.clone(), source };
                folded.add(closed, past.effects()?).map_err(failed)?;
            }
            if folded.operations().len() > known {
                folded.store(&self.paths)?;
            }
            Ok(())
        });
        if let Err(error) = folded {
            tracing::warn!(error = with_causes(&error), "closed operations are not folded");
        }
    }

    /// Checks all journals and returns the damaged ones. Changes nothing.
    pub(super) fn damaged_journals(&self) -> Result<Vec<UnreadableJournal>> {
        let journals = self.journals();
        let damaged = journals.list()?.into_iter().filter_map(|file| {
            let error = journals.check(&file).err()?;
            Some(UnreadableJournal { path: file.path, reason: with_causes(&error) })
        });
        Ok(damaged.collect())
    }

    /// Keeps the durations of an install's steps for later plans on this machine. On the disk on return. A failure is
    /// only logged, because the release is already installed.
    pub(super) fn keep_step_times(&self, plan: &Plan<Action>) {
        let kept = self.history().and_then(|history| {
            let took = history.step_durations();
            let times = plan.all().filter_map(|planned| {
                let milliseconds = u64::try_from(took.get(&planned.id)?.as_millis()).ok()?;
                Some((planned.id.0.clone(), StepTime { milliseconds, bytes: planned.bytes }))
            });
            Ok(step_times::record(&self.paths, &times.collect())?)
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "how long the steps took is not kept");
        }
    }

    /// Returns the operation that decides the state of the site; `None` on a site without a journal. Changes nothing.
    pub(super) fn deciding(&self) -> Result<Option<JournaledOperation>> {
        Ok(self.history()?.into_deciding())
    }

    /// Reads the history in order to continue or end an operation. Does not return if a newer program began the last
    /// one and the site keeps that program: it then replaces this process.
    pub(super) fn history_or_hand_over(&self) -> Result<History> {
        let history = self.history().and_then(|history| {
            if let Some(past) = history.deciding() {
                self.journals().read_to_continue(&past.file)?;
            }
            Ok(history)
        });
        if history.as_ref().is_err_and(|error| error.code() == codes::JOURNAL_NEWER)
            && let Some(engine) = self.journals().latest()?.and_then(|file| pinned_engine(&file))
            && engine_file::is_kept(&self.paths, engine)
        {
            engine_file::hand_over(&self.paths, engine, &*self.progress)?;
        }
        history
    }

    /// Returns the programs that an operation may still need. After a newer program, returns those of all journals,
    /// because this one cannot tell which are open.
    pub(super) fn needed_engines(&self) -> Result<BTreeSet<Sha256>> {
        match self.history() {
            Err(error) if error.code() == codes::JOURNAL_NEWER => {
                Ok(self.journals().list()?.iter().filter_map(pinned_engine).collect())
            }
            history => {
                let history = history?;
                history.expect_whole()?;
                Ok(history.engines())
            }
        }
    }
}

/// Returns the program to which a journal is pinned, even if another version wrote the rest.
fn pinned_engine(file: &JournalFile) -> Option<Sha256> {
    let decoded = record::decode(&fs_err::read(&file.path).ok()?).ok()?;
    let first: serde_json::Value = serde_json::from_slice(decoded.payloads.first()?).ok()?;
    serde_json::from_value(first["pins"]["engine"].clone()).ok()
}

impl Refusal {
    /// Returns the error for this release.
    pub(super) fn of(self, release: String) -> OperationError {
        match self {
            Self::AlreadyInstalled => OperationError::AlreadyInstalled { release },
            Self::NotInstalled => OperationError::NotInstalled,
            Self::InstallOpen => OperationError::InstallOpen { release },
            Self::ChangeOpen => OperationError::ChangeOpen { release },
            Self::UninstallOpen => OperationError::UninstallOpen { release },
            Self::NothingToAbort => OperationError::NothingToAbort,
        }
    }
}
