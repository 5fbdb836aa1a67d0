//! Host packs: packages of the host's distribution that are installed before a release and removed after it. They have
//! a journal of their own, which a rerun of the command continues.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_documents::failure::Failure;
use landfall_engine::engine::{End, Engine};
use landfall_engine::journal::{FileStorage, Phase, State, StepState};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::facts::host;
use landfall_media::{Payload, durable};
use landfall_release_document::{HostRecipe, PackageFormat};

use super::Operations;
use super::bundle::TrustedHostPack;
use super::error::Result;
use super::trust::Trust;
use crate::host_pack::{
    HostAction, HostJournal, HostJournals, HostMedia, HostPins, HostSite, Manager, conflict, plan, remove_copies,
    resolve,
};

/// A host pack whose packages can be installed. Nothing is changed yet.
pub struct PreparedHostPack<'a> {
    operations: &'a Operations,
    pack: TrustedHostPack,
    trust: Trust,
    media_path: PathBuf,
    recipe: HostRecipe,
    format: PackageFormat,
    commands: Arc<dyn CommandRunner>,
}

impl Operations {
    fn host_journals(&self) -> HostJournals {
        HostJournals::at(self.paths.host_pack_journal())
    }

    /// Checks if the packages of a host pack can be installed here. The pack must be trusted and have packages for this
    /// distribution. No other versions of them and no release may be installed. Changes nothing.
    pub fn prepare_host_pack(&self, path: &Path, trust: Option<&str>) -> Result<PreparedHostPack<'_>> {
        self.host_pack_by(path, trust, Arc::new(Subprocesses))
    }

    /// Like [`Self::prepare_host_pack`], with another way to run programs.
    pub(super) fn host_pack_by(
        &self,
        path: &Path,
        trust: Option<&str>,
        commands: Arc<dyn CommandRunner>,
    ) -> Result<PreparedHostPack<'_>> {
        let trust = Trust::read(trust, path)?;
        let pack = TrustedHostPack::find(path, &trust, self)?;
        self.check_vacant()?;
        let (name, system) = (pack_name(&pack), host::operating_system(&self.paths));
        let unfit = |what: String| StepError::new(codes::HOST_PACK_UNFIT, what);
        let platform = host::platform();
        if pack.document.platform != platform {
            return Err(unfit(format!("{name} is for {}, and this host is {platform}", pack.document.platform)).into());
        }
        let recipe = pack.document.recipe(&system).cloned();
        let recipe = recipe.ok_or_else(|| unfit(format!("{name} has nothing for {system}")))?;
        let format = recipe.format().ok_or_else(|| unfit(format!("{name} has no package for {system}")))?;
        if let Some(pins) = self.host_pins()? {
            refuse_other(&pins, &pack)?;
        }
        let manager = Manager::new(format, &*commands);
        for package in &recipe.packages {
            if let Some(conflict) = conflict(package, &manager.present(&package.name)?) {
                return Err(StepError::new(codes::HOST_PACK_CONFLICT, conflict).into());
            }
        }
        let media_path = path.to_owned();
        Ok(PreparedHostPack { operations: self, pack, trust, media_path, recipe, format, commands })
    }

    /// Returns the pins of a host pack's journal; `None` without one, or after its packages are removed.
    fn host_pins(&self) -> Result<Option<Arc<HostPins>>> {
        let journals = self.host_journals();
        let Some(file) = journals.latest()? else { return Ok(None) };
        let State { phase, pins, .. } = journals.read(&file)?.state;
        Ok(pins.filter(|_| !matches!(phase, Phase::Undone { .. })))
    }

    /// Removes the packages of a host pack and everything that Landfall keeps about it. Returns its name and version;
    /// `None` if there was none. A rerun completes an interrupted removal.
    pub(super) fn remove_host_pack(&self) -> Result<Option<String>> {
        self.remove_host_pack_by(Arc::new(Subprocesses))
    }

    /// Like [`Self::remove_host_pack`], with another way to run programs.
    pub(super) fn remove_host_pack_by(&self, commands: Arc<dyn CommandRunner>) -> Result<Option<String>> {
        if !self.paths.host_pack().exists() {
            return Ok(None);
        }
        let journals = self.host_journals();
        let lock = journals.lock("uninstall")?;
        let mut name = None;
        if let Some(file) = journals.latest()? {
            let mut journal = journals.open(&lock, &file)?;
            let pins = journal.pins()?;
            let mut site = self.host_site(None, commands);
            if !matches!(journal.state().phase, Phase::Undone { .. }) {
                self.engine(&mut journal, &pins).undo(&mut site, true)?;
            }
            name = Some(format!("{} {}", pins.name, pins.version));
        }
        remove_copies(&self.paths)?;
        journals.remove(lock)?;
        durable::remove_folder(&self.paths.host_pack())?;
        Ok(name)
    }

    fn host_site(&self, media: Option<HostMedia>, commands: Arc<dyn CommandRunner>) -> HostSite {
        HostSite { paths: self.paths.clone(), media, progress: self.progress.clone(), commands }
    }

    fn engine<'a>(&'a self, journal: &'a mut HostJournal, pins: &'a HostPins) -> HostEngine<'a> {
        Engine { journal, plan: &pins.plan, resolve, progress: &*self.progress }
    }
}

/// Engine that runs the plan of a host pack.
type HostEngine<'a> = Engine<'a, HostAction, HostSite, HostPins, FileStorage>;

/// Returns name and version of a pack.
fn pack_name(pack: &TrustedHostPack) -> String {
    format!("{} {}", pack.document.name, pack.document.version)
}

/// Fails if the packages of another pack are installed.
fn refuse_other(installed: &HostPins, pack: &TrustedHostPack) -> Result<()> {
    if installed.bundle == pack.verified.id() {
        return Ok(());
    }
    let what = format!("the packages of the host pack {} {} are installed", installed.name, installed.version);
    Err(StepError::new(codes::HOST_PACK_CONFLICT, what).into())
}

impl PreparedHostPack<'_> {
    /// Returns name and version of the pack.
    pub fn name(&self) -> String {
        pack_name(&self.pack)
    }

    /// Returns its packages for this host, with their versions.
    pub fn packages(&self) -> Vec<String> {
        self.recipe.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
    }

    /// Installs the packages; true if an earlier command had installed all of them. A failure is undone before this
    /// returns. The same command continues an interrupted run, or an uninstall undoes it.
    pub fn run(self) -> Result<bool> {
        let operations = self.operations;
        if operations.host_pins()?.is_none() {
            // Completes an interrupted removal.
            operations.remove_host_pack_by(self.commands.clone())?;
        }
        durable::create_folder(&operations.paths.host_pack())?;
        let journals = operations.host_journals();
        let lock = journals.lock("install --host-pack")?;
        let mut journal = match journals.latest()? {
            Some(file) => journals.open(&lock, &file)?,
            None => journals.create(&lock, self.pins())?,
        };
        let pins = journal.pins()?;
        refuse_other(&pins, &self.pack)?;
        let was_present = journal.state().phase == Phase::Committed;
        let payload = Payload::from(self.pack.verified.clone());
        let media = HostMedia { payload, path: self.media_path.clone(), io: operations.io.clone() };
        let mut site = operations.host_site(Some(media), self.commands.clone());
        let end = operations.engine(&mut journal, &pins).run(&mut site, &std::thread::sleep)?;
        match end {
            End::Committed => {
                remove_copies(&operations.paths)?;
                Ok(was_present)
            }
            End::Undone => {
                let failure = journal.state().steps.iter().find_map(|step| failure_of(step));
                journals.remove(lock)?;
                durable::remove_folder(&operations.paths.host_pack())?;
                Err(package_refusal(&self.name(), failure).into())
            }
        }
    }

    fn pins(&self) -> HostPins {
        let document = &self.pack.document;
        let plan = plan(document, &self.recipe, self.format);
        HostPins {
            bundle: self.pack.verified.id(),
            name: document.name.clone(),
            version: document.version.clone(),
            counter: document.counter,
            trust: self.trust.pin(&self.pack.verified),
            steps: plan.steps.iter().map(|step| step.id.clone()).collect(),
            plan,
        }
    }
}

/// Returns the reason why a step failed, or the obstacle that it found.
fn failure_of(step: &StepState) -> Option<String> {
    let failed = |error: &Failure| {
        let all: Vec<&str> = std::iter::once(&error.what).chain(&error.causes).map(String::as_str).collect();
        all.join(": ")
    };
    step.failure.as_ref().map(failed).or_else(|| step.blocked.clone())
}

fn package_refusal(name: &str, failure: Option<String>) -> StepError {
    let why = failure.map(|failure| format!(": {failure}")).unwrap_or_default();
    StepError::new(codes::HOST_PACKAGES_REFUSED, format!("{name} was not installed, and nothing of it is left{why}"))
}

#[cfg(test)]
mod tests;
