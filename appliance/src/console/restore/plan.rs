//! Plan of a restore as shown to people: overwritten and lost data, stopped components, required space, and the point
//! of no return for the previous data.

use landfall_documents::change::Change;
use serde::Deserialize;

use crate::console::backups::proof_mark;
use crate::console::change::RESTORE;
use crate::console::moment::Moment;
use crate::console::planned::{
    ComponentOutlook, Outlook, Peak, PlanApproval, PlanStatement, PointOfNoReturn, Step, Steps, further, where_readable,
};
use crate::console::state::Mark;
use crate::console::units::count;
use crate::host::PlanPage;

/// Fields of the document with their own place.
const KNOWN: [&str; 7] = ["kind", "schema", "backup", "components", "dependents", "replacesConsole", "plan"];
/// Maximum number of components in a heading.
const NAMED: usize = 3;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    backup: Backup,
    components: Vec<String>,
    dependents: Vec<String>,
    replaces_console: bool,
    plan: Steps,
    #[serde(deserialize_with = "where_readable")]
    overwrites: Option<Vec<OverwrittenStream>>,
    #[serde(deserialize_with = "where_readable")]
    outlook: Option<Outlook>,
    #[serde(deserialize_with = "where_readable")]
    space: Option<Vec<Peak>>,
}

impl Document {
    /// Returns true if a field with this name was read, and is shown in its place.
    fn has(&self, name: &str) -> bool {
        match name {
            "overwrites" => self.overwrites.is_some(),
            "outlook" => self.outlook.is_some(),
            "space" => self.space.is_some(),
            _ => KNOWN.contains(&name),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Backup {
    time: String,
    proven: Option<String>,
}

/// A stream whose data is overwritten.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OverwrittenStream {
    pub(super) stream: String,
    /// Current size; `None` if the volume cannot be measured.
    pub(super) present_bytes: Option<u64>,
    pub(super) loaded_bytes: u64,
    as_of: String,
    #[serde(default)]
    saved_until: Option<String>,
}

impl OverwrittenStream {
    pub(super) fn as_of(&self) -> Option<Moment> {
        Moment::read(Some(&self.as_of))
    }

    /// Returns the time until which backups have later data.
    pub(super) fn saved_until(&self) -> Option<Moment> {
        Moment::read(self.saved_until.as_deref())
    }
}

/// A plan.
pub(super) struct PlanView {
    pub(super) title: String,
    pub(super) digest: String,
    pub(super) site: String,
    pub(super) made: Option<Moment>,
    pub(super) components: Vec<String>,
    pub(super) backup: Option<Moment>,
    pub(super) proven: Mark,
    pub(super) is_proven: bool,
    /// The point in time, if one was chosen.
    pub(super) at: Option<Moment>,
    pub(super) duration: Option<String>,
    pub(super) dependents: Vec<String>,
    pub(super) replaces_console: bool,
    pub(super) overwrites: Vec<OverwrittenStream>,
    pub(super) stopped: Vec<ComponentOutlook>,
    pub(super) steps: Vec<Step>,
    pub(super) closing: Vec<Step>,
    pub(super) point_of_no_return: Option<PointOfNoReturn>,
    pub(super) space: Vec<Peak>,
    pub(super) further: Vec<PlanStatement>,
    pub(super) approving: PlanApproval,
}

impl PlanView {
    pub(super) fn new(page: PlanPage) -> Self {
        let document = Document::deserialize(&page.document).unwrap_or_default();
        let mut rest = page.document.as_object().cloned().unwrap_or_default();
        rest.retain(|name, _| !document.has(name));
        let outlook = document.outlook.unwrap_or_default();
        let duration = outlook.duration(document.plan.seconds());
        rest.extend(outlook.rest);
        let at = if let Change::Restore { at, .. } = &page.change { Moment::read(at.as_deref()) } else { None };
        let is_proven = document.backup.proven.is_some();
        Self {
            title: title(&document.components),
            digest: page.digest,
            site: page.site,
            made: Moment::read(Some(&page.made)),
            components: document.components,
            backup: Moment::read(Some(&document.backup.time)),
            proven: proof_mark(is_proven),
            is_proven,
            at,
            duration,
            dependents: document.dependents,
            replaces_console: document.replaces_console,
            overwrites: document.overwrites.unwrap_or_default(),
            stopped: outlook.components,
            steps: document.plan.steps,
            closing: document.plan.closing,
            point_of_no_return: outlook.point_of_no_return,
            space: document.space.unwrap_or_default(),
            further: further(&rest),
            approving: approving(),
        }
    }

    pub(super) fn step_count(&self) -> String {
        count(self.steps.len() + self.closing.len(), "step")
    }
}

fn title(components: &[String]) -> String {
    match components {
        [] => "Restore data".to_owned(),
        some if some.len() <= NAMED => format!("Restore {}", some.join(", ")),
        many => format!("Restore {}", count(many.len(), "component")),
    }
}

fn approving() -> PlanApproval {
    PlanApproval {
        home: RESTORE,
        button: "Approve and restore",
        second: "Approve second, and restore",
        example: "the backup was removed",
        after_commit: ", when the earlier data does not return automatically",
        loses_data: true,
        overwriting_command: "",
    }
}
