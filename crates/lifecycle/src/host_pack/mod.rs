//! Packages of the host's distribution from a host pack, such as a driver's. They are installed before a release and
//! removed after it. Their operation therefore has its own folder and journal, run by the same engine.

mod manager;
mod packages;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;

use landfall_bundle_spec::Sha256;
use landfall_documents::operation::Operation;
use landfall_engine::journal::{self, OperationPins};
use landfall_engine::plan::{OnFailure, Plan, PlannedStep, StepId, Undo};
use landfall_engine::step::{Durable, Step, StepError};
use landfall_host::command::CommandRunner;
use landfall_host::paths::SitePaths;
use landfall_media::counters::IoCounters;
use landfall_media::progress::Progress;
use landfall_media::{Payload, durable};
use landfall_release_document::{HostPackDocument, HostRecipe, PackageFormat};
use serde::{Deserialize, Serialize};

use landfall_site::pins::PinnedTrust;

pub(crate) use manager::{Manager, PackageState};
use packages::Packages;
pub(crate) use packages::conflict;
use stage::StagePackages;
pub(crate) use stage::remove_copies;

/// The journals of host packs.
pub(crate) type HostJournals = journal::JournalFolder<HostPins>;
/// A host pack's journal, open for writing.
pub(crate) type HostJournal = journal::Journal<HostPins>;

/// Folders to which packages write, each of which may be a separate filesystem.
const WRITTEN: [&str; 6] = ["/", "/usr", "/var", "/etc", "/boot", "/opt"];

/// Pins of a host pack's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostPins {
    /// ID of the pack's bundle.
    pub(crate) bundle: Sha256,
    /// Name of the pack.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its counter.
    pub(crate) counter: u64,
    /// Trust by which its head was verified.
    pub(crate) trust: PinnedTrust,
    /// IDs of the plan's steps, in order.
    pub(crate) steps: Vec<StepId>,
    /// The plan.
    pub(crate) plan: Plan<HostAction>,
}

impl OperationPins for HostPins {
    fn operation(&self) -> Operation {
        self.plan.operation
    }

    fn steps(&self) -> &[StepId] {
        &self.steps
    }

    fn closing(&self) -> usize {
        0
    }
}

/// One action of a host pack's plan with all its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub(crate) enum HostAction {
    /// Copies the pack from its media.
    Stage(StagePackages),
    /// Installs its packages.
    Packages(Packages),
}

/// Returns the step of an action.
pub(crate) fn resolve(action: &HostAction) -> &dyn Step<HostSite> {
    match action {
        HostAction::Stage(step) => step,
        HostAction::Packages(step) => step,
    }
}

/// Context of a host pack's steps.
pub(crate) struct HostSite {
    /// The paths of the host.
    pub(crate) paths: SitePaths,
    /// The pack on its media; `None` if its packages are only removed.
    pub(crate) media: Option<HostMedia>,
    /// Receiver of progress.
    pub(crate) progress: Arc<dyn Progress>,
    /// Runner of the host's package manager.
    pub(crate) commands: Arc<dyn CommandRunner>,
}

/// A host pack on its media.
pub(crate) struct HostMedia {
    /// The verified head.
    pub(crate) payload: Payload,
    /// Path of the pack.
    pub(crate) path: PathBuf,
    /// Counters of the bytes that staging moves.
    pub(crate) io: IoCounters,
}

impl Durable for HostSite {
    fn sync(&mut self) -> Result<(), StepError> {
        let mut places = WRITTEN.iter().map(|place| self.paths.host(place)).filter(|place| place.exists());
        places.try_for_each(|place| Ok(durable::sync_filesystem(&place)?))
    }
}

/// Returns the plan for a host that matches this recipe. A failed step undoes it.
pub(crate) fn plan(pack: &HostPackDocument, recipe: &HostRecipe, format: PackageFormat) -> Plan<HostAction> {
    let bytes: u64 = recipe.packages.iter().map(|package| package.blob.size).sum();
    let step = |id: &str, title: &str, action, bytes, seconds| PlannedStep {
        id: StepId(id.to_owned()),
        title: title.to_owned(),
        action,
        bytes,
        seconds,
        undo: Undo::Reversible,
    };
    let staged = StagePackages { packages: recipe.packages.clone() };
    let packages = Packages { format, packages: recipe.packages.clone() };
    let steps = vec![
        step("host-pack/stage", "copy the packages of the host pack", HostAction::Stage(staged), bytes, 10),
        step("host-pack/packages", "install the packages of the host pack", HostAction::Packages(packages), 0, 120),
    ];
    Plan { on_failure: OnFailure::Undo { from: 0 }, ..Plan::new(Operation::Install, &pack.name, &pack.version, steps) }
}
