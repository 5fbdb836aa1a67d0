//! Configure: the settings of the installed release change. What changes is known, and every reason against it reported,
//! before the first change; a change that fails is undone by itself.

use std::path::Path;

use landfall_cluster::{Applied, Cluster, ClusterError, ObjectName};
use landfall_engine::step::StepError;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::bundle::TrustedRelease;
use super::decision::{Decision, Verb, decide};
use super::error::{FailedStep, OperationError, Result};
use super::history::{History, Past};
use super::running::Running;
use super::trust::Trust;
use crate::configuration::{SiteConfiguration, resolve_values};
use crate::pins::Pins;
use crate::plan::components::ComponentInputs;
use crate::plan::computed::computed_values;
use crate::plan::configure::{ConfigurePlan, FieldChange, plan_configure};
use crate::plan::network::Networks;
use crate::steps::action::Action;
use landfall_engine::engine::End;
use landfall_engine::journal::{JournalError, JournalErrorKind, JournalFile, RecordedError};
use landfall_engine::plan::Plan;

/// A change of settings that is possible; nothing is changed yet.
pub struct PreparedConfigure<'a> {
    operations: &'a Operations,
    /// Of the last operation that was committed.
    pins: Pins,
    release: TrustedRelease,
    settings: SiteConfiguration,
    planned: ConfigurePlan,
}

/// The result of a change of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configured {
    /// Name of the release.
    pub release: String,
    /// Its version.
    pub version: String,
    /// Components whose objects were changed, in order; none if the settings make no difference.
    pub components: Vec<String>,
}

impl Configured {
    /// Ends a change. One that went back by itself is an error, which says why.
    pub(super) fn by(running: &mut Running) -> Result<Self> {
        if running.goes_back() {
            running.note_clock();
        } else {
            running.expect_clock()?;
        }
        let end = running.change()?;
        Self::of(end, &running.pins, running.plan(), running.failure())
    }

    /// The result of a change that ended.
    pub(super) fn of(end: End, pins: &Pins, plan: &Plan<Action>, failure: Option<RecordedError>) -> Result<Self> {
        let (release, version) = (pins.release.clone(), pins.version.clone());
        match end {
            End::Committed => Ok(Self { release, version, components: changed_components(plan) }),
            End::Undone => Err(OperationError::ChangeUndone {
                release: format!("{release} {version}"),
                source: failure.map(|error| Box::new(FailedStep::from(error))),
            }),
        }
    }
}

impl Operations {
    /// Determines what another site configuration changes on this site. Reads journals, the kept head and the file; changes
    /// nothing.
    pub fn prepare_configure(&self, site: &Path) -> Result<PreparedConfigure<'_>> {
        if let Some(holder) = self.journals().holder() {
            return Err(JournalError::from(JournalErrorKind::Busy { holder }).into());
        }
        let history = self.history()?;
        let pins = self.configurable(&history)?.clone();
        let release = TrustedRelease::read(&self.head_file(pins.bundle), &Trust::pinned(&pins.trust))?;
        let settings = SiteConfiguration::read(site, release.site_schema())?;
        refuse_fixed(&pins.settings, &settings)?;
        let values = resolve_values(&release.release, &settings, &computed_values(&Networks::of(&settings)?))?;
        let inputs = ComponentInputs {
            release: &release.release,
            documents: &release.documents,
            values: &values,
            node: &pins.node.name,
        };
        let planned = plan_configure(&inputs, &history.made()?)?;
        self.refuse_unfit(&planned, &release).map_err(|error| OperationError::ChangeUnfit(Box::new(error)))?;
        Ok(PreparedConfigure { operations: self, pins, release, settings, planned })
    }

    /// Refuses objects that the API server would not take, and fields that another manager has set. Nothing is stored: the API
    /// server judges, and forgets.
    fn refuse_unfit(&self, planned: &ConfigurePlan, release: &TrustedRelease) -> Result<(), StepError> {
        let components = planned.plan.all().filter_map(|step| match &step.action {
            Action::Replace(replace) => Some(&*replace.after),
            _ => None,
        });
        for action in components {
            let Action::Component(component) = action else { continue };
            let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?;
            for object in component.resolved(&release.documents)? {
                if let Applied::Foreign { manager } = cluster.compare(&object)? {
                    let object = ObjectName::of(&object)?.into();
                    return Err(ClusterError::Foreign { object, manager }.into());
                }
            }
        }
        Ok(())
    }

    /// What the site's last committed operation was pinned to, if settings may change now.
    fn configurable<'a>(&self, history: &'a History) -> Result<&'a Pins> {
        let deciding = history.deciding();
        if deciding.is_none() {
            self.check_not_missing()?;
        }
        match decide(Verb::Configure, deciding.map(Past::position)) {
            Decision::Refuse(refusal) => Err(refusal.of(deciding.map(Past::release).unwrap_or_default())),
            _ => history.committed().and_then(Past::pins).ok_or(OperationError::NotInstalled),
        }
    }
}

/// Components whose objects a plan replaces, in order.
fn changed_components(plan: &Plan<Action>) -> Vec<String> {
    let component = |action: &Action| match action {
        Action::Component(step) => Some(step.owner.component.clone()),
        _ => None,
    };
    let replaced = plan.all().filter_map(|planned| match &planned.action {
        Action::Replace(step) => component(&step.after),
        _ => None,
    });
    replaced.collect()
}

/// Refuses changes of what only an install can set.
fn refuse_fixed(before: &SiteConfiguration, after: &SiteConfiguration) -> Result<()> {
    let fields: Vec<String> = [
        ("node.name", before.node.name == after.node.name),
        ("node.address", before.node.address == after.node.address),
        ("network.podRanges", before.network.pod_ranges == after.network.pod_ranges),
        ("network.serviceRanges", before.network.service_ranges == after.network.service_ranges),
    ]
    .into_iter()
    .filter(|(_, is_equal)| !is_equal)
    .map(|(field, _)| field.to_owned())
    .collect();
    if fields.is_empty() { Ok(()) } else { Err(OperationError::SettingsFixed { fields }) }
}

impl PreparedConfigure<'_> {
    /// The steps: none if nothing changes.
    pub fn plan(&self) -> &Plan<Action> {
        &self.planned.plan
    }

    /// What changes.
    pub fn changes(&self) -> &[FieldChange] {
        &self.planned.changes
    }

    /// Runs it.
    pub fn run(self) -> Result<Configured> {
        if self.planned.plan.all().next().is_none() {
            let (release, version) = (self.pins.release, self.pins.version);
            return Ok(Configured { release, version, components: Vec::new() });
        }
        let operations = self.operations;
        let file = self.begin()?;
        operations.end_change(&file)
    }

    /// Writes the journal of the change: from here on it ends, whatever happens to this process.
    fn begin(self) -> Result<JournalFile> {
        let operations = self.operations;
        let lock = operations.journals().lock("configure")?;
        // Another operation may have run between the first look and the lock.
        if operations.configurable(&operations.history()?)? != &self.pins {
            return Err(OperationError::ChangeOpen { release: self.release.name() });
        }
        let engine = operations.place_own_files(&self.release)?;
        let plan = serde_json::to_string(&self.planned.plan)
            .map_err(|source| OperationError::Plan { path: operations.paths.journal(), source })?;
        let steps = self.planned.plan.all().map(|step| step.id.clone()).collect();
        let operation = self.planned.plan.operation;
        let pins = Pins { operation, settings: self.settings, engine, steps, plan, ..self.pins };
        drop(operations.journals().create(&lock, pins)?);
        drop(lock);
        operations.journals().latest()?.ok_or(OperationError::NotInstalled)
    }
}
