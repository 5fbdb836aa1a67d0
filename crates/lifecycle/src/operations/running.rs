//! An operation that this process runs: lock, journal, plan and site together.

use std::path::PathBuf;
use std::sync::Arc;

use landfall_bundle_spec::parts::short_id;
use landfall_documents::failure::Failure;
use landfall_documents::replaced_data::ReplacedData;
use landfall_media::progress::Event as ProgressEvent;

use landfall_engine::engine::{End, Engine};
use landfall_engine::journal::{JournalFile, Phase, SiteLock};
use landfall_engine::plan::Plan;
use landfall_host::command::Subprocesses;

use super::bundle::TrustedRelease;
use super::error::{OperationError, Result};
use super::kept::{KeptData, Origin};
use super::trust::Trust;
use super::{Operations, engine_file};
use crate::context::{Site, UndoScope};
use crate::replaced_data;
use crate::steps;
use crate::steps::action::Action;
use crate::steps::secret::Secret;
use landfall_site::marks::Marks;
use landfall_site::pins::{Event, Journal, KeptRelease, Pins, State};
use landfall_site::place::{HostAccess, Medium, Place, Releases, SiteRelease};

/// An operation that this process holds.
pub(super) struct RunningOperation {
    pub(super) lock: SiteLock,
    pub(super) journal: Journal,
    pub(super) pins: Arc<Pins>,
    plan: Plan<Action>,
    site: Site,
    release: TrustedRelease,
}

impl Operations {
    /// Takes over an operation that has a journal. Does not return if another program is pinned and kept: that program
    /// then replaces this process. `media_path` is the bundle's current path, if it moved.
    pub(super) fn take_over(
        &self,
        verb: &str,
        file: &JournalFile,
        media_path: Option<PathBuf>,
        undo: UndoScope,
    ) -> Result<RunningOperation> {
        let pins = self.journals().read(file)?.state.pins;
        if let Some(pins) = &pins {
            engine_file::hand_over(&self.paths, pins.engine, &*self.progress)?;
        }
        let lock = self.journals().lock(verb)?;
        let journal = self.journals().open(&lock, file)?;
        let pins = journal.pins()?;
        let release = self.release_of(&pins)?;
        self.hold(lock, journal, &release, media_path, undo)
    }

    /// Assembles the parts of a running operation.
    pub(super) fn hold(
        &self,
        lock: SiteLock,
        journal: Journal,
        release: &TrustedRelease,
        media_path: Option<PathBuf>,
        undo: UndoScope,
    ) -> Result<RunningOperation> {
        let pins = journal.pins()?;
        let plan = serde_json::from_str(&pins.plan)
            .map_err(|source| OperationError::Plan { path: journal.path().to_owned(), source })?;
        let Place::Host(node) = pins.place.clone();
        let host = HostAccess { paths: self.paths.clone(), node, commands: Arc::new(Subprocesses) };
        let releases = Releases {
            own: SiteRelease {
                bundle: short_id(pins.bundle),
                release: release.release.clone(),
                documents: release.documents.clone(),
                payload: release.payload(),
            },
            kept: pins.kept.iter().map(|kept| self.site_release(kept)).collect::<Result<_>>()?,
        };
        let path = media_path.unwrap_or_else(|| pins.media_path.clone());
        let medium = Medium { path, io: self.io.clone() };
        let site = Site::on_host(host, releases, medium, self.progress.clone(), undo);
        Ok(RunningOperation { lock, journal, pins, plan, site, release: release.clone() })
    }
}

impl Operations {
    /// Reads a release whose head the site stores.
    fn site_release(&self, kept: &KeptRelease) -> Result<SiteRelease> {
        let release = TrustedRelease::read(&self.head_file(kept.bundle), &Trust::from_pinned(&kept.trust))?;
        let payload = release.payload();
        let TrustedRelease { release, documents, .. } = release;
        Ok(SiteRelease { bundle: short_id(kept.bundle), release, documents, payload })
    }
}

impl RunningOperation {
    /// Does the remaining steps of the plan and commits.
    pub(super) fn forward(&mut self) -> Result<()> {
        self.report_position("continuing the install", State::next_forward);
        let Self { journal, plan, site, pins, .. } = self;
        let progress = site.progress.clone();
        Engine { journal: &mut *journal, plan, resolve: steps::resolve, progress: &*progress }.forward(site)?;
        Marks::advance(&site.data.paths, &pins.release, pins.counter, pins.bundle)?;
        journal.append(Event::Committed)?;
        tracing::info!(release = pins.release, version = pins.version, "committed");
        Ok(())
    }

    /// Ends a change: does the remaining steps of its plan, or undoes it if a step fails permanently.
    pub(super) fn change(&mut self) -> Result<End> {
        self.report_position("continuing the change", |state| state.next_forward().or(state.next_undo()));
        let Self { journal, plan, site, .. } = self;
        let progress = site.progress.clone();
        let mut engine = Engine { journal: &mut *journal, plan, resolve: steps::resolve, progress: &*progress };
        let end = engine.run(site, &std::thread::sleep)?;
        tracing::info!(release = self.pins.release, version = self.pins.version, ?end, "the change has ended");
        Ok(end)
    }

    /// Returns its plan.
    pub(super) fn plan(&self) -> &Plan<Action> {
        &self.plan
    }

    /// Returns true if nothing is left to do.
    pub(super) fn is_closed(&self) -> bool {
        self.journal.state().is_closed()
    }

    /// Returns true if it undoes its steps.
    pub(super) fn goes_back(&self) -> bool {
        matches!(self.journal.state().phase, Phase::Undoing { .. } | Phase::Undone { .. })
    }

    /// Returns the error of the step that caused the undo.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.journal.state().steps.iter().find_map(|step| step.failure.clone())
    }

    /// Returns the data that its undo replaced in changed volumes and set aside.
    pub(super) fn replaced_data(&self) -> Result<Vec<ReplacedData>> {
        Ok(replaced_data::of_plan(&self.site.data.paths, &self.plan)?)
    }

    /// Undoes every step that started, within the operation's scope. `owner` is the owner of kept data, if that is not
    /// the operation's release.
    pub(super) fn back(&mut self, owner: Option<&(Pins, TrustedRelease)>) -> Result<()> {
        if matches!(self.journal.state().phase, Phase::Undoing { .. }) {
            self.report_position("continuing the uninstall", State::next_undo);
        }
        let Self { journal, plan, site, pins, release, .. } = self;
        // Undo removes the link of the agent's step; this one keeps the command available until the end.
        engine_file::offer_command(&site.hosts.only()?.paths, pins.engine)?;
        let keep_data = site.undo.keep_data;
        if keep_data {
            // The data's owner is recorded while it is still known.
            let (pins, release) = owner.map_or((&**pins, &*release), |(pins, release)| (pins, release));
            KeptData::record(&site.data.paths, &Origin { pins, release })?;
        }
        let progress = site.progress.clone();
        Engine { journal: &mut *journal, plan, resolve: steps::resolve, progress: &*progress }.undo(site, keep_data)?;
        Ok(())
    }

    /// Reports the step and record at which an operation continues; nothing if it has just begun.
    fn report_position(&self, what: &str, next: fn(&State) -> Option<usize>) {
        let record = self.journal.last_sequence();
        if record == 0 {
            return;
        }
        let state = self.journal.state();
        let step = next(state).and_then(|index| {
            let planned = self.plan.step(index)?;
            let (number, count, status) = (index + 1, state.steps.len(), state.steps[index].status);
            Some(format!(
                " at step {number} of {count}, {} ({}), which is {}",
                planned.id,
                planned.title,
                status.name()
            ))
        });
        let (release, version) = (&self.pins.release, &self.pins.version);
        let text = format!("{what} of {release} {version}{}; journal record {record}", step.unwrap_or_default());
        tracing::info!("{text}");
        self.site.progress.event(ProgressEvent::Note(text));
    }

    /// Returns the files of the secrets that the plan generates.
    pub(super) fn secret_files(&self) -> Vec<PathBuf> {
        let folder = self.site.secrets.generated();
        let secrets = self.plan.steps.iter().filter_map(|planned| match &planned.action {
            Action::Secret(step) => Some(Secret::file(&folder, &step.namespace, &step.secret.name)),
            _ => None,
        });
        secrets.collect()
    }

    /// Returns the build time of its release, RFC 3339 in UTC.
    pub(super) fn built_at(&self) -> String {
        self.release.verified.identity().built_at
    }

    /// Returns the site on which its steps act.
    pub(super) fn site(&self) -> &Site {
        &self.site
    }
}
