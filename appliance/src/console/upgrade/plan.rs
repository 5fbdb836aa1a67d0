//! Plan of an upgrade or rollback, as shown to people. The host's document grows with its versions: fields unknown to
//! this console are shown in the document's own words, and missing ones are left out.

use std::collections::BTreeMap;

use landfall_documents::change::{Change, DataChoice};
use serde::Deserialize;

use crate::console::change::UPGRADE;
use crate::console::moment::Moment;
use crate::console::planned::{
    ComponentOutlook, Edit, Outlook, Peak, PlanApproval, PlanStatement, PointOfNoReturn, Step, Steps, ValueChange,
    further, where_readable,
};
use crate::console::state::{Mark, State};
use crate::console::units::{bytes, count};
use crate::host::PlanPage;

/// Fields of the document with their own place.
const KNOWN: [&str; 9] = ["kind", "schema", "from", "to", "missingBytes", "node", "components", "backup", "plan"];

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    from: String,
    to: String,
    missing_bytes: u64,
    node: Option<Node>,
    components: Vec<Component>,
    backup: Option<Backup>,
    plan: Steps,
    #[serde(deserialize_with = "where_readable")]
    outlook: Option<Outlook>,
    #[serde(deserialize_with = "where_readable")]
    space: Option<Vec<Peak>>,
    #[serde(deserialize_with = "where_readable")]
    edits: Option<Vec<Edit>>,
    #[serde(deserialize_with = "where_readable")]
    values: Option<Vec<ValueChange>>,
    #[serde(deserialize_with = "where_readable")]
    notes: Option<String>,
}

impl Document {
    /// Returns true if a field with this name was read, and is shown in its place.
    fn has(&self, name: &str) -> bool {
        match name {
            "outlook" => self.outlook.is_some(),
            "space" => self.space.is_some(),
            "edits" => self.edits.is_some(),
            "values" => self.values.is_some(),
            "notes" => self.notes.is_some(),
            _ => KNOWN.contains(&name),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Node {
    kubernetes_before: String,
    kubernetes_after: String,
    replaces_control_plane: bool,
}

/// Effects on a component.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Component {
    #[serde(rename = "component")]
    pub(super) name: String,
    fate: String,
    pub(super) stops: bool,
    pub(super) objects: Vec<Object>,
    pub(super) images_before: Vec<String>,
    pub(super) images_after: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Object {
    pub(super) object: String,
    pub(super) fate: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Backup {
    time: String,
}

/// A component with its mark and its effects.
pub(super) struct ComponentRow {
    pub(super) mark: Mark,
    pub(super) component: Component,
    outlook: Option<ComponentOutlook>,
}

impl ComponentRow {
    fn new(component: Component, outlook: Option<ComponentOutlook>) -> Self {
        let mark = match component.fate.as_str() {
            "added" => State::Good.mark("Added"),
            "changed" => State::Busy.mark("Changed"),
            "removed" => State::Attention.mark("Removed"),
            "unchanged" => State::Unknown.mark("Unchanged"),
            _ => State::Unknown.mark("Other"),
        };
        Self { mark, component, outlook }
    }

    fn is_unchanged(&self) -> bool {
        let is_quiet = self.outlook.as_ref().is_none_or(ComponentOutlook::is_quiet);
        self.component.fate == "unchanged" && !self.component.stops && is_quiet
    }

    pub(super) fn stops(&self) -> bool {
        self.component.stops || self.outlook.as_ref().is_some_and(|outlook| outlook.interruption == "stops")
    }

    /// Describes its interruption during the plan.
    pub(super) fn meanwhile(&self) -> String {
        let known = self.outlook.as_ref().and_then(ComponentOutlook::meanwhile);
        let by_fate = match (self.component.stops, self.component.fate.as_str()) {
            (true, _) => "stops",
            (false, "added") => "starts",
            (false, "removed") => "ends",
            (false, "changed") if self.outlook.is_none() => "pods are replaced",
            (false, _) => "runs",
        };
        known.unwrap_or_else(|| by_fate.to_owned())
    }

    /// Describes the effect on its data; empty if it has none, or if the document does not state it.
    pub(super) fn data(&self) -> &str {
        self.outlook.as_ref().map_or("", ComponentOutlook::data)
    }
}

/// A plan.
pub(super) struct PlanView {
    pub(super) title: String,
    pub(super) digest: String,
    pub(super) site: String,
    pub(super) made: Option<Moment>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) approving: PlanApproval,
    /// Treatment of data in a rollback.
    pub(super) data: Option<&'static str>,
    pub(super) copied: Option<String>,
    pub(super) duration: Option<String>,
    pub(super) node: Vec<String>,
    pub(super) backup: Option<Moment>,
    pub(super) changed: Vec<ComponentRow>,
    pub(super) unchanged: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) closing: Vec<Step>,
    pub(super) point_of_no_return: Option<PointOfNoReturn>,
    pub(super) space: Vec<Peak>,
    pub(super) edits: Vec<Edit>,
    pub(super) values: Vec<ValueChange>,
    /// The vendor's release notes.
    pub(super) notes: Option<String>,
    pub(super) further: Vec<PlanStatement>,
}

impl PlanView {
    pub(super) fn new(page: PlanPage) -> Self {
        let document = Document::deserialize(&page.document).unwrap_or_default();
        let mut rest = page.document.as_object().cloned().unwrap_or_default();
        rest.retain(|name, _| !document.has(name));
        let outlook = document.outlook.unwrap_or_default();
        let duration = outlook.duration(document.plan.seconds());
        rest.extend(outlook.rest);
        let is_upgrade = matches!(page.change, Change::Upgrade { .. });
        let data = match page.change {
            Change::Rollback { data: Some(DataChoice::Keep), .. } => Some("stays as it is"),
            Change::Rollback { data: Some(DataChoice::Restore), .. } => Some("comes from the backup"),
            _ => None,
        };
        let node = document.node.as_ref().map(node_sentences).unwrap_or_default();
        let rows = rows(document.components, outlook.components);
        let (unchanged, changed): (Vec<_>, Vec<_>) = rows.into_iter().partition(ComponentRow::is_unchanged);
        let verb = if is_upgrade { "Upgrade to" } else { "Return to" };
        Self {
            title: format!("{verb} {}", document.to),
            digest: page.digest,
            site: page.site,
            made: Moment::read(Some(&page.made)),
            from: document.from,
            to: document.to,
            approving: approving(is_upgrade, document.backup.is_some()),
            data,
            copied: (document.missing_bytes > 0).then(|| bytes(document.missing_bytes)),
            duration,
            node,
            backup: document.backup.and_then(|backup| Moment::read(Some(&backup.time))),
            changed,
            unchanged: unchanged.into_iter().map(|row| row.component.name).collect(),
            steps: document.plan.steps,
            closing: document.plan.closing,
            point_of_no_return: outlook.point_of_no_return,
            space: document.space.unwrap_or_default(),
            edits: document.edits.unwrap_or_default(),
            values: document.values.unwrap_or_default(),
            notes: document.notes,
            further: further(&rest),
        }
    }

    pub(super) fn step_count(&self) -> String {
        count(self.steps.len() + self.closing.len(), "step")
    }

    pub(super) fn stopped_components(&self) -> Vec<&str> {
        let stops = self.changed.iter().filter(|row| row.stops());
        stops.map(|row| row.component.name.as_str()).collect()
    }

    /// Returns true if the table of components has a column for data.
    pub(super) fn has_data(&self) -> bool {
        self.changed.iter().any(|row| !row.data().is_empty())
    }

    pub(super) fn lost_edits(&self) -> Vec<&Edit> {
        Edit::lost_edits(&self.edits)
    }
}

fn approving(is_upgrade: bool, loses_data: bool) -> PlanApproval {
    let (button, second, overwriting_command) = if is_upgrade {
        ("Approve and upgrade", "Approve second, and upgrade", "landfall upgrade --overwrite-edits")
    } else {
        ("Approve and return", "Approve second, and return", "landfall rollback --overwrite-edits")
    };
    let after_commit = ", when only a rollback leads back";
    PlanApproval {
        home: UPGRADE,
        button,
        second,
        example: "the stick was exchanged",
        after_commit,
        loses_data,
        overwriting_command,
    }
}

/// Returns each component with its effects, in the document's order, followed by those that only the outlook names.
fn rows(components: Vec<Component>, outlooks: Vec<ComponentOutlook>) -> Vec<ComponentRow> {
    let named = outlooks.into_iter().map(|outlook| (outlook.component.clone(), outlook));
    let mut outlooks: BTreeMap<String, ComponentOutlook> = named.collect();
    let mut rows = Vec::new();
    for component in components {
        let outlook = outlooks.remove(&component.name);
        rows.push(ComponentRow::new(component, outlook));
    }
    rows.extend(outlooks.into_iter().map(|(name, outlook)| {
        let component = Component { name, ..Component::default() };
        ComponentRow::new(component, Some(outlook))
    }));
    rows
}

fn node_sentences(node: &Node) -> Vec<String> {
    let kubernetes = if node.kubernetes_before == node.kubernetes_after {
        format!("Its programs are replaced; Kubernetes stays {}.", node.kubernetes_after)
    } else {
        format!("Kubernetes {} becomes {}.", node.kubernetes_before, node.kubernetes_after)
    };
    let mut sentences = vec![kubernetes, "Pods keep running while it changes.".to_owned()];
    if node.replaces_control_plane {
        sentences.push("The API server does not answer for some minutes.".to_owned());
    }
    sentences
}
