//! Everything that operations did to a site, from their journals and nothing else. Closed ones are read as they were folded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Coded, codes};

use super::decision::Refusal;
use super::error::{OperationError, Result};
use super::folded::{ClosedOperation, Effect, Folded};
use super::{Operations, engine_file};
use crate::pins::{KeptRelease, PinnedTrust, Pins, Replay};
use crate::plan::configure::Made;
use crate::plan::upgrade::StepTimes;
use crate::preflight::AcceptedWarning;
use crate::steps::action::Action;
use landfall_engine::causes::with_causes;
use landfall_engine::journal::{Event, JournalFile, Phase, SiteLock, StepStatus, record};
use landfall_engine::newer;
use landfall_engine::plan::{Operation, Plan, PlannedStep, StepId};
use landfall_host::step_times::{self, StepTime};
use serde_json::Value;

/// How many releases a site keeps: the installed one, and the one before it.
const KEPT_RELEASES: usize = 2;

/// One operation, by its journal.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) file: JournalFile,
    pub(super) replay: Replay,
}

impl Past {
    /// What it is and how far it is: on this depends what a verb does.
    pub(super) fn position(&self) -> (Operation, Phase) {
        let pinned = self.pins().map(|pins| pins.operation);
        let phase = match self.replay.state.phase {
            // What follows the commit is still to be done.
            Phase::Committed if !self.replay.state.is_closed() => Phase::Forward,
            phase => phase,
        };
        (pinned.or(self.file.operation).unwrap_or(Operation::Install), phase)
    }

    pub(super) fn pins(&self) -> Option<&Pins> {
        self.replay.state.pins.as_deref()
    }

    /// Name and version of its release.
    pub(super) fn release(&self) -> String {
        self.pins().map(release_of).unwrap_or_default()
    }

    /// Its plan. Of one that is closed, what a newer program added is passed over.
    pub(super) fn plan(&self) -> Result<Option<Plan<Action>>> {
        let Some(pins) = self.pins() else { return Ok(None) };
        let plan = serde_json::from_str(&pins.plan).or_else(|strict| {
            let known = self.replay.state.is_closed().then(|| known_plan(&pins.plan)).flatten();
            known.ok_or(strict)
        });
        plan.map(Some).map_err(|source| OperationError::Plan { path: self.file.path.clone(), source })
    }

    fn is_undone(&self) -> bool {
        matches!(self.replay.state.phase, Phase::Undone { .. })
    }

    fn is_committed(&self) -> bool {
        self.replay.state.phase == Phase::Committed
    }

    /// What the operation changed in what the site's steps made.
    fn effects(&self) -> Result<Vec<Effect>> {
        let Some(plan) = self.plan()?.filter(|_| self.is_committed()) else { return Ok(Vec::new()) };
        let states = plan.all().zip(&self.replay.state.steps);
        let done = states.filter(|(_, state)| state.status == StepStatus::Done);
        Ok(done.flat_map(|(planned, _)| Effect::of(&planned.id, &planned.action)).collect())
    }

    /// How long each step took when it was done last. A step that a power cut or a retry interrupted counts from its last start.
    fn step_durations(&self) -> BTreeMap<StepId, Duration> {
        let (mut times, mut begun) = (BTreeMap::new(), BTreeMap::new());
        for entry in &self.replay.entries {
            match &entry.event {
                Event::Started { step } => drop(begun.insert(step, entry.at)),
                Event::Done { step, .. } => {
                    let took = begun.remove(step).map(|begun| entry.at.duration_since(begun));
                    // The clock may have been set meanwhile.
                    if let Some(took) = took.and_then(|took| Duration::try_from(took).ok()) {
                        times.insert(step.clone(), took);
                    }
                }
                _ => {}
            }
        }
        times
    }

    /// What is kept of it once it is closed; none while it is open, and where a newer program wrote what this one does not understand.
    fn closed(&self) -> Option<ClosedOperation> {
        let (pins, replay) = (self.pins()?, &self.replay);
        let is_understood = replay.is_understood && serde_json::from_str::<Plan<Action>>(&pins.plan).is_ok();
        let milliseconds = |(step, took): (StepId, Duration)| Some((step, u64::try_from(took.as_millis()).ok()?));
        // An install that was undone decides, whatever its site did before.
        let is_over = replay.state.is_closed() && (self.is_committed() || pins.operation != Operation::Install);
        (is_over && replay.torn_bytes == 0 && is_understood).then(|| ClosedOperation {
            journal: self.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: replay.valid_bytes(),
            committed: self.is_committed(),
            pins: Pins { plan: String::new(), ..pins.clone() },
            durations: self.step_durations().into_iter().filter_map(milliseconds).collect(),
        })
    }
}

/// The known part of a plan; none if it has an action that this program does not know.
fn known_plan(text: &str) -> Option<Plan<Action>> {
    let plan: Plan<Value> = newer::known_part(text.as_bytes()).ok()?;
    let known = |steps: Vec<PlannedStep<Value>>| -> Option<Vec<PlannedStep<Action>>> {
        let known = |step: PlannedStep<Value>| {
            let PlannedStep { id, title, action, bytes, seconds, undo } = step;
            Some(PlannedStep { id, title, action: newer::without_unknown(action)?, bytes, seconds, undo })
        };
        steps.into_iter().map(known).collect()
    };
    let Plan { operation, release, version, steps, closing, on_failure } = plan;
    Some(Plan { operation, release, version, steps: known(steps)?, closing: known(closing)?, on_failure })
}

fn release_of(pins: &Pins) -> String {
    format!("{} {}", pins.release, pins.version)
}

/// An old journal that cannot be read, although its operation is over.
#[derive(Debug)]
pub(super) struct UnreadableJournal {
    pub(super) path: PathBuf,
    /// Why, with all causes.
    pub(super) reason: String,
}

impl UnreadableJournal {
    /// The warning.
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
    /// The first ones, all closed, with their files: of these, nothing else is read.
    folded: Folded,
    files: Vec<JournalFile>,
    /// Those whose journals were read: all others, and the newest one that was not undone.
    read: Vec<Past>,
    unreadable: Vec<UnreadableJournal>,
}

/// What is known of every operation, folded or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) file: &'a JournalFile,
    pub(super) pins: Option<&'a Pins>,
    is_committed: bool,
    is_undone: bool,
    is_closed: bool,
}

impl Known<'_> {
    /// Name and version of its release; none without a first record.
    pub(super) fn release(&self) -> Option<String> {
        self.pins.map(release_of)
    }
}

impl<'a> From<&'a Past> for Known<'a> {
    fn from(past: &'a Past) -> Self {
        let (is_committed, is_undone, is_closed) =
            (past.is_committed(), past.is_undone(), past.replay.state.is_closed());
        Self { file: &past.file, pins: past.pins(), is_committed, is_undone, is_closed }
    }
}

impl History {
    /// Every readable operation, oldest first.
    fn known(&self) -> Vec<Known<'_>> {
        let folded = self.folded.operations().iter().zip(&self.files).map(|(closed, file)| Known {
            file,
            pins: Some(&closed.pins),
            is_committed: closed.committed,
            is_undone: !closed.committed,
            is_closed: true,
        });
        let mut known: Vec<_> = folded.collect();
        let is_unfolded = |past: &&Past| known.iter().all(|known| known.file.number != past.file.number);
        let read: Vec<_> = self.read.iter().filter(is_unfolded).map(Known::from).collect();
        known.extend(read);
        known.sort_by_key(|known| known.file.number);
        known
    }

    /// Those that were committed, latest first.
    fn committed_pins(&self) -> impl Iterator<Item = &Pins> {
        self.known().into_iter().rev().filter(|known| known.is_committed).filter_map(|known| known.pins)
    }

    /// The operation that says in which state the site is: the install once it is undone, in part or in whole; else the last
    /// one, unless that went back by itself.
    pub(super) fn deciding(&self) -> Option<&Past> {
        self.read.get(self.deciding_index()?)
    }

    /// The same, as its owner.
    pub(super) fn into_deciding(mut self) -> Option<Past> {
        let index = self.deciding_index()?;
        Some(self.read.swap_remove(index))
    }

    fn deciding_index(&self) -> Option<usize> {
        let is_leaving = |past: &Past| {
            past.file.number == self.files.first().map_or(0, |file| file.number)
                && matches!(past.replay.state.phase, Phase::Undoing { .. } | Phase::Undone { .. })
        };
        let first = self.read.first()?;
        if is_leaving(first) {
            return Some(0);
        }
        Some(self.read.iter().rposition(|past| !past.is_undone()).unwrap_or(0))
    }

    /// The operation that installed the site.
    pub(super) fn first(&self) -> Option<Known<'_>> {
        self.known().into_iter().next()
    }

    /// The last operation that was committed.
    pub(super) fn committed(&self) -> Option<&Past> {
        self.read.iter().rev().find(|past| past.is_committed())
    }

    /// Old journals that cannot be read. Nothing that this history answers without an error depends on them.
    pub(super) fn unreadable(&self) -> &[UnreadableJournal] {
        &self.unreadable
    }

    /// Refuses what depends on every operation where one cannot be read.
    pub(super) fn expect_whole(&self) -> Result<()> {
        match self.unreadable.first() {
            None => Ok(()),
            Some(UnreadableJournal { path, reason }) => {
                Err(OperationError::Archive { path: path.clone(), reason: reason.clone() })
            }
        }
    }

    /// The releases whose content the site keeps, the installed one first, and the one before it, to which it can go back.
    pub(super) fn kept(&self) -> Vec<KeptRelease> {
        let mut kept: Vec<KeptRelease> = Vec::new();
        for pins in self.committed_pins() {
            if kept.len() < KEPT_RELEASES && kept.iter().all(|known| known.bundle != pins.bundle) {
                kept.push(pins.into());
            }
        }
        kept
    }

    /// The warnings that were accepted before the release of this bundle came.
    pub(super) fn accepted(&self, bundle: Sha256) -> Vec<AcceptedWarning> {
        let mut pins = self.committed_pins();
        pins.find(|pins| pins.bundle == bundle).map(|pins| pins.accepted.clone()).unwrap_or_default()
    }

    /// The warnings that were accepted before any operation that was not undone, latest first.
    pub(super) fn all_accepted(&self) -> Vec<AcceptedWarning> {
        let pins = self.known().into_iter().rev().filter(|known| !known.is_undone).filter_map(|known| known.pins);
        pins.flat_map(|pins| pins.accepted.clone()).collect()
    }

    /// The newest root document that an operation trusted, unless it was undone. The release to which a site went back was
    /// verified by an older one, whose keys must not count again for what comes. An error where an operation cannot be read: it may have
    /// trusted a newer one.
    pub(super) fn newest_trust(&self) -> Result<Option<&PinnedTrust>> {
        self.expect_whole()?;
        let pins = self.known().into_iter().filter(|known| !known.is_undone).filter_map(|known| known.pins);
        Ok(pins.map(|pins| &pins.trust).max_by_key(|trust| trust.number))
    }

    /// Bundles whose heads the journals need: those with content, and that of the install, which an uninstall undoes.
    pub(super) fn heads(&self) -> BTreeSet<Sha256> {
        self.with_content().into_iter().chain(bundles(self.first().into_iter())).collect()
    }

    /// Bundles of which the site stores more than the head: those of the kept releases, and of an open operation.
    pub(super) fn with_content(&self) -> BTreeSet<Sha256> {
        let kept = self.kept().into_iter().map(|kept| kept.bundle);
        let open = self.known().into_iter().filter(|known| !known.is_closed);
        kept.chain(bundles(open)).collect()
    }

    /// The programs that an operation may still need: the uninstall undoes the install by its program, the last operation may be asked
    /// about, and one that is open goes on by its own.
    pub(super) fn engines(&self) -> BTreeSet<Sha256> {
        let known = self.known();
        let asked = [self.first(), self.committed().map(Known::from), known.last().copied()].into_iter().flatten();
        let open = known.iter().copied().filter(|known| !known.is_closed);
        open.chain(asked).filter_map(|known| known.pins).map(|pins| pins.engine).collect()
    }

    /// What each step last made, of all operations that were committed.
    pub(super) fn made(&self) -> Result<Made> {
        self.expect_whole()?;
        let mut made = self.folded.made().ok_or_else(|| OperationError::Archive {
            path: self.files.first().map(|file| file.path.clone()).unwrap_or_default(),
            reason: "a newer landfall made what this one does not know".to_owned(),
        })?;
        for past in self.unfolded() {
            for effect in past.effects()? {
                match effect {
                    Effect::Makes(id, action) => drop(made.insert(id, action)),
                    Effect::Removes(id) => drop(made.remove(&id)),
                }
            }
        }
        Ok(made)
    }

    /// Those that are not folded yet.
    fn unfolded(&self) -> impl Iterator<Item = &Past> {
        let folded = &self.files[..self.folded.operations().len().min(self.files.len())];
        let last = folded.last().map_or(0, |file| file.number);
        self.read.iter().filter(move |past| past.file.number > last)
    }
}

impl History {
    /// How long each step took when it was done last.
    pub(super) fn step_durations(&self) -> BTreeMap<StepId, Duration> {
        let folded = self.folded.operations().iter().flat_map(|closed| &closed.durations);
        let folded = folded.map(|(step, milliseconds)| (step.clone(), Duration::from_millis(*milliseconds)));
        folded.chain(self.unfolded().flat_map(Past::step_durations)).collect()
    }

    /// The same in seconds.
    pub(super) fn step_times(&self) -> StepTimes {
        self.step_durations().into_iter().map(|(step, took)| (step, took.as_secs())).collect()
    }
}

/// The bundles that operations are pinned to.
fn bundles<'a>(operations: impl Iterator<Item = Known<'a>>) -> impl Iterator<Item = Sha256> {
    let pins = operations.filter_map(|known| known.pins);
    pins.flat_map(|pins| std::iter::once(pins.bundle).chain(pins.kept.iter().map(|kept| kept.bundle)))
}

impl Operations {
    /// Every operation of the site: the closed ones as they were folded, and the journals that decide. An old journal that cannot be read
    /// is no error where a later operation was committed. Changes nothing.
    pub(super) fn history(&self) -> Result<History> {
        let journals = self.journals();
        let files = journals.list()?;
        let folded = Folded::read(&self.paths, &files);
        let (mut read, mut unreadable) = (Vec::new(), Vec::new());
        let mut is_decided = false;
        for (index, file) in files.iter().enumerate().rev() {
            // The newest one that was not undone decides, and is always read. One that was undone after it decides nothing.
            if folded.operations().get(index).is_some_and(|closed| is_decided || !closed.committed) {
                continue;
            }
            match journals.read(file) {
                Ok(replay) => {
                    let past = Past { replay, file: file.clone() };
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

    /// Folds the operations that have ended since this was done last, and returns the space that their journals reserved. What cannot be
    /// folded stays in its journal, so a failure is only logged.
    pub(super) fn fold_history(&self, lock: &SiteLock) {
        let folded = self.history().and_then(|history| {
            let mut folded = history.folded.clone();
            let known = folded.operations().len();
            for (past, file) in history.unfolded().zip(&history.files[known..]) {
                // Only the first ones, without a gap.
                let next = (past.file == *file).then(|| past.closed()).flatten();
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

    /// Every journal that is damaged, of all of them. Changes nothing.
    pub(super) fn damaged_journals(&self) -> Result<Vec<UnreadableJournal>> {
        let journals = self.journals();
        let damaged = journals.list()?.into_iter().filter_map(|file| {
            let error = journals.check(&file).err()?;
            Some(UnreadableJournal { path: file.path, reason: with_causes(&error) })
        });
        Ok(damaged.collect())
    }

    /// Keeps how long the steps of an install took, for later plans on this machine. The release is installed by then, so what cannot be
    /// kept is only logged. It is on the disk when this returns.
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

    /// The operation that says in which state the site is; none on a site without a journal. Changes nothing.
    pub(super) fn deciding(&self) -> Result<Option<Past>> {
        Ok(self.history()?.into_deciding())
    }

    /// The history for what continues or ends an operation. Does not return if a newer program began the last one and the
    /// site keeps that one: the process is replaced by it.
    pub(super) fn history_or_hand_over(&self) -> Result<History> {
        let history = self.history();
        if history.as_ref().is_err_and(|error| error.code() == codes::JOURNAL_NEWER)
            && let Some(engine) = self.journals().latest()?.and_then(|file| pinned_engine(&file))
            && engine_file::is_kept(&self.paths, engine)
        {
            engine_file::hand_over(&self.paths, engine, &*self.progress)?;
        }
        history
    }

    /// Programs that an operation may still need. Where a newer program has begun one, all that a journal is pinned to: this one cannot
    /// tell which of them is open.
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

/// The program that a journal is pinned to, of whichever version the rest is.
fn pinned_engine(file: &JournalFile) -> Option<Sha256> {
    let decoded = record::decode(&fs_err::read(&file.path).ok()?).ok()?;
    let first: serde_json::Value = serde_json::from_slice(decoded.payloads.first()?).ok()?;
    serde_json::from_value(first["pins"]["engine"].clone()).ok()
}

impl Refusal {
    /// The error, about this release.
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
