//! Host packs: packages of the host's distribution that come before a release and leave after it. Their journal is one of their own, and
//! a command that is run again continues it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_engine::engine::{End, Engine};
use landfall_engine::journal::{FileStorage, Phase, RecordedError, State, StepState};
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

/// A host pack whose packages can be installed; nothing is changed yet.
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

    /// Determines whether the packages of a host pack can be installed here: the pack is trusted and has packages for this distribution,
    /// no other version of them is installed, and no release is. Changes nothing.
    pub fn prepare_host_pack(&self, path: &Path, trust: Option<&str>) -> Result<PreparedHostPack<'_>> {
        self.host_pack_by(path, trust, Arc::new(Subprocesses))
    }

    /// The same with another way to run programs.
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

    /// What the journal of a host pack pins; none without one, or once its packages are removed.
    fn host_pins(&self) -> Result<Option<Arc<HostPins>>> {
        let journals = self.host_journals();
        let Some(file) = journals.latest()? else { return Ok(None) };
        let State { phase, pins, .. } = journals.read(&file)?.state;
        Ok(pins.filter(|_| !matches!(phase, Phase::Undone { .. })))
    }

    /// Removes the packages that a host pack brought, and everything that Landfall keeps about it. Returns its name and version; none if
    /// there was none. A rerun completes one that was interrupted.
    pub(super) fn remove_host_pack(&self) -> Result<Option<String>> {
        self.remove_host_pack_by(Arc::new(Subprocesses))
    }

    /// The same with another way to run programs.
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

/// Runs the plan of a host pack.
type HostEngine<'a> = Engine<'a, HostAction, HostSite, HostPins, FileStorage>;

/// Name and version of a pack.
fn pack_name(pack: &TrustedHostPack) -> String {
    format!("{} {}", pack.document.name, pack.document.version)
}

/// Refuses a pack where the packages of another one are installed.
fn refuse_other(installed: &HostPins, pack: &TrustedHostPack) -> Result<()> {
    if installed.bundle == pack.verified.id() {
        return Ok(());
    }
    let what = format!("the packages of the host pack {} {} are installed", installed.name, installed.version);
    Err(StepError::new(codes::HOST_PACK_CONFLICT, what).into())
}

impl PreparedHostPack<'_> {
    /// Name and version of the pack.
    pub fn name(&self) -> String {
        pack_name(&self.pack)
    }

    /// Its packages for this host, with their versions.
    pub fn packages(&self) -> Vec<String> {
        self.recipe.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
    }

    /// Installs them; true if an earlier command had installed all of them. What fails is undone before this returns; what is interrupted,
    /// the same command continues, or an uninstall undoes.
    pub fn run(self) -> Result<bool> {
        let operations = self.operations;
        if operations.host_pins()?.is_none() {
            // What an interrupted removal left.
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
                Err(refused(&self.name(), failure).into())
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

/// Why a step failed, or what it found.
fn failure_of(step: &StepState) -> Option<String> {
    let failed = |error: &RecordedError| {
        let all: Vec<&str> = std::iter::once(&error.what).chain(&error.causes).map(String::as_str).collect();
        all.join(": ")
    };
    step.failure.as_ref().map(failed).or_else(|| step.blocked.clone())
}

fn refused(name: &str, failure: Option<String>) -> StepError {
    let why = failure.map(|failure| format!(": {failure}")).unwrap_or_default();
    StepError::new(codes::HOST_PACKAGES_REFUSED, format!("{name} was not installed, and nothing of it is left{why}"))
}

#[cfg(test)]
mod tests;
