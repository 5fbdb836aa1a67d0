//! Time and space of an installation: seconds for each step, and bytes on each filesystem over time. Pure, so a vendor
//! computes the same figures as the site from the plan, the head and the facts of the host.

mod space;
mod time;

use landfall_bundle_spec::blobs::BlobEntry;
use landfall_engine::plan::{Plan, PlannedStep, Undo};
use landfall_engine::step::StepError;
use landfall_host::facts::Facts;
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::steps::action::Action;

pub use space::{FilesystemFigures, Moment};
pub use time::Basis;

/// Inputs of the figures.
#[derive(Debug, Clone, Copy)]
pub struct FiguresInputs<'a> {
    /// The plan.
    pub plan: &'a Plan<Action>,
    /// The release, from the head.
    pub release: &'a ReleaseDocument,
    /// Small documents of the head, by name.
    pub documents: &'a BTreeMap<String, Vec<u8>>,
    /// Blobs of the head.
    pub blobs: &'a [BlobEntry],
    /// Size of the head in bytes.
    pub head_bytes: u64,
    /// Facts of the host.
    pub facts: &'a Facts,
}

/// Time and space that an installation takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanFigures {
    /// Expected duration of all steps, in milliseconds.
    pub milliseconds: u64,
    /// Number of Kubernetes objects that the steps apply.
    pub objects: usize,
    /// Figures of each step, in the plan's order.
    pub steps: Vec<StepFigures>,
    /// Figures of each filesystem that is written to. The filesystem of the data folder comes first.
    pub filesystems: Vec<FilesystemFigures>,
    /// First step that nothing undoes; null if `landfall uninstall` undoes every step.
    pub point_of_no_return: Option<String>,
}

/// Time and space that a step takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepFigures {
    /// ID of the step.
    pub id: String,
    /// Title of the step.
    pub title: String,
    /// Expected duration in milliseconds.
    pub milliseconds: u64,
    /// Basis of the expected duration.
    pub basis: Basis,
    /// Bytes that it writes permanently to the filesystem of the data folder.
    pub written_bytes: u64,
    /// Number of Kubernetes objects that it applies.
    pub objects: usize,
}

impl PlanFigures {
    /// Computes the figures of a plan.
    pub fn of(inputs: &FiguresInputs<'_>) -> Result<Self, StepError> {
        let written = space::writes(inputs)?;
        let steps = inputs.plan.all().zip(&written).map(|(planned, writes)| {
            let (milliseconds, basis) = time::of_step(planned, writes.stays, inputs.facts);
            Ok(StepFigures {
                id: planned.id.0.clone(),
                title: planned.title.clone(),
                milliseconds,
                basis,
                written_bytes: writes.stays,
                objects: objects(planned, inputs)?,
            })
        });
        let steps: Vec<StepFigures> = steps.collect::<Result<_, StepError>>()?;
        let last = inputs.plan.all().find(|planned| planned.undo == Undo::Irreversible);
        Ok(Self {
            milliseconds: steps.iter().map(|step| step.milliseconds).sum(),
            objects: steps.iter().map(|step| step.objects).sum(),
            filesystems: space::filesystems(inputs, &written),
            steps,
            point_of_no_return: last.map(|planned| planned.title.clone()),
        })
    }
}

/// Returns the number of objects that a step applies.
fn objects(planned: &PlannedStep<Action>, inputs: &FiguresInputs<'_>) -> Result<usize, StepError> {
    Ok(match &planned.action {
        Action::Component(component) => component.resolve_objects(inputs.documents)?.len(),
        Action::Namespace(namespace) => namespace.object_count(),
        // A mount is a volume and its claim.
        Action::Mount(_) => 2,
        Action::Secret(_) | Action::SiteSecret(_) | Action::LicenseKey(_) => 1,
        Action::ConsoleSecrets(_) => landfall_release_document::ComponentEntry::CONSOLE_SECRETS.len(),
        _ => 0,
    })
}

#[cfg(test)]
mod tests;
