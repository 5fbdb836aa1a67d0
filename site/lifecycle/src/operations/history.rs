//! Everything that operations did to a site, from their journals and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_cluster::Edits;
use landfall_error_codes::{Coded, codes};

use super::decision::Refusal;
use super::error::{OperationError, Result};
use super::{Operations, engine_file};
use crate::pins::{KeptRelease, PinnedTrust, Pins, Replay};
use crate::plan::configure::Made;
use crate::plan::upgrade::StepTimes;
use crate::preflight::AcceptedWarning;
use crate::steps::action::Action;
use landfall_engine::journal::{Event, JournalFile, Phase, StepStatus, record};
use landfall_engine::plan::{Operation, Plan, StepId};
use landfall_host::step_times::{self, StepTime};

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
        self.pins().map(|pins| format!("{} {}", pins.release, pins.version)).unwrap_or_default()
    }

    pub(super) fn plan(&self) -> Result<Option<Plan<Action>>> {
        let Some(pins) = self.pins() else { return Ok(None) };
        let plan = serde_json::from_str(&pins.plan);
        plan.map(Some).map_err(|source| OperationError::Plan { path: self.file.path.clone(), source })
    }
}

/// The operations of a site, oldest first. The first one installed it.
#[derive(Debug, Default)]
pub(super) struct History {
    operations: Vec<Past>,
}

impl History {
    /// The operation that says in which state the site is: the install once it is undone, in part or in whole; else the last
    /// one, unless that went back by itself.
    pub(super) fn deciding(&self) -> Option<&Past> {
        let first = self.operations.first()?;
        let is_leaving = matches!(first.replay.state.phase, Phase::Undoing { .. } | Phase::Undone { .. });
        let counts = |past: &&Past| !matches!(past.replay.state.phase, Phase::Undone { .. });
        Some(if is_leaving { first } else { self.operations.iter().rev().find(counts).unwrap_or(first) })
    }

    /// The same, as its owner.
    pub(super) fn into_deciding(mut self) -> Option<Past> {
        let number = self.deciding()?.file.number;
        let index = self.operations.iter().position(|past| past.file.number == number)?;
        Some(self.operations.swap_remove(index))
    }

    /// The operation that installed the site.
    pub(super) fn first(&self) -> Option<&Past> {
        self.operations.first()
    }

    /// The last operation that was committed.
    pub(super) fn committed(&self) -> Option<&Past> {
        self.operations.iter().rev().find(|past| past.replay.state.phase == Phase::Committed)
    }

    /// The releases whose content the site keeps, the installed one first, and the one before it, to which it can go back.
    pub(super) fn kept(&self) -> Vec<KeptRelease> {
        let mut kept: Vec<KeptRelease> = Vec::new();
        let committed = self.operations.iter().rev().filter(|past| past.replay.state.phase == Phase::Committed);
        for pins in committed.filter_map(Past::pins) {
            if kept.len() < KEPT_RELEASES && kept.iter().all(|known| known.bundle != pins.bundle) {
                kept.push(pins.into());
            }
        }
        kept
    }

    /// The warnings that were accepted before the release of this bundle came.
    pub(super) fn accepted(&self, bundle: Sha256) -> Vec<AcceptedWarning> {
        let committed = self.operations.iter().rev().filter(|past| past.replay.state.phase == Phase::Committed);
        let mut pins = committed.filter_map(Past::pins);
        pins.find(|pins| pins.bundle == bundle).map(|pins| pins.accepted.clone()).unwrap_or_default()
    }

    /// The warnings that were accepted before any operation that was not undone, latest first.
    pub(super) fn all_accepted(&self) -> Vec<AcceptedWarning> {
        let counts = |past: &&Past| !matches!(past.replay.state.phase, Phase::Undone { .. });
        let pins = self.operations.iter().rev().filter(counts).filter_map(Past::pins);
        pins.flat_map(|pins| pins.accepted.clone()).collect()
    }

    /// The newest root document that an operation trusted, unless it was undone. The release to which a site went back was
    /// verified by an older one, whose keys must not count again for what comes.
    pub(super) fn newest_trust(&self) -> Option<&PinnedTrust> {
        let counts = |past: &&Past| !matches!(past.replay.state.phase, Phase::Undone { .. });
        let pinned = self.operations.iter().filter(counts).filter_map(Past::pins).map(|pins| &pins.trust);
        pinned.max_by_key(|trust| trust.number)
    }

    /// Bundles whose heads the journals need: those with content, and that of the install, which an uninstall undoes.
    pub(super) fn heads(&self) -> BTreeSet<Sha256> {
        self.with_content().into_iter().chain(bundles(self.first().into_iter())).collect()
    }

    /// Bundles of which the site stores more than the head: those of the kept releases, and of an open operation.
    pub(super) fn with_content(&self) -> BTreeSet<Sha256> {
        let kept = self.kept().into_iter().map(|kept| kept.bundle);
        let open = self.operations.iter().filter(|past| !past.replay.state.is_closed());
        kept.chain(bundles(open)).collect()
    }

    /// The programs that an operation may still need: the uninstall undoes the install by its program, the last operation may be asked
    /// about, and one that is open goes on by its own.
    pub(super) fn engines(&self) -> BTreeSet<Sha256> {
        let open = self.operations.iter().filter(|past| !past.replay.state.is_closed());
        let known = [self.first(), self.committed(), self.operations.last()].into_iter().flatten();
        open.chain(known).filter_map(Past::pins).map(|pins| pins.engine).collect()
    }

    /// What each step last made, of all operations that were committed.
    pub(super) fn made(&self) -> Result<Made> {
        let mut made = Made::new();
        for past in self.operations.iter().filter(|past| past.replay.state.phase == Phase::Committed) {
            let Some(plan) = past.plan()? else { continue };
            for (planned, state) in plan.all().zip(&past.replay.state.steps) {
                if state.status == StepStatus::Done {
                    fold(&mut made, &planned.id, &planned.action);
                }
            }
        }
        Ok(made)
    }
}

impl History {
    /// How long each step took when it was done last. A step that a power cut or a retry interrupted counts from its last start.
    pub(super) fn step_durations(&self) -> BTreeMap<StepId, Duration> {
        let mut times = BTreeMap::new();
        for past in &self.operations {
            let mut begun = BTreeMap::new();
            for entry in &past.replay.entries {
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
        }
        times
    }

    /// The same in seconds.
    pub(super) fn step_times(&self) -> StepTimes {
        self.step_durations().into_iter().map(|(step, took)| (step, took.as_secs())).collect()
    }
}

/// The bundles that operations are pinned to.
fn bundles<'a>(operations: impl Iterator<Item = &'a Past>) -> impl Iterator<Item = Sha256> {
    let pins = operations.filter_map(Past::pins);
    pins.flat_map(|pins| std::iter::once(pins.bundle).chain(pins.kept.iter().map(|kept| kept.bundle)))
}

/// Adds what is there once an action of a step is done.
fn fold(made: &mut Made, id: &StepId, action: &Action) {
    match action {
        Action::Replace(replace) => drop(made.insert(id.clone(), (*replace.after).clone().with_edits(Edits::Refuse))),
        Action::Supersede(supersede) => {
            drop(made.insert(id.clone(), (*supersede.after).clone().with_edits(Edits::Refuse)));
        }
        Action::Retire(retire) => {
            made.remove(&retire.step);
            if let Action::Component(component) = &*retire.before {
                made.remove(&StepId(format!("ready/{}", component.owner.component)));
            }
        }
        other => drop(made.insert(id.clone(), other.clone())),
    }
}

impl Operations {
    /// Every operation of the site. Changes nothing.
    pub(super) fn history(&self) -> Result<History> {
        let journals = self.journals();
        let read = |file: JournalFile| Ok(Past { replay: journals.read(&file)?, file });
        Ok(History { operations: journals.list()?.into_iter().map(read).collect::<Result<_>>()? })
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
            history => Ok(history?.engines()),
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
            Self::NothingToResume => OperationError::NothingToResume,
            Self::NothingToAbort => OperationError::NothingToAbort,
        }
    }
}
