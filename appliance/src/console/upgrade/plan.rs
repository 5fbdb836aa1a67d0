//! A plan as a person reads it. The host's document grows with its versions: what this console does not know of it is shown with the
//! document's own words, and what is missing is left out.

use serde::Deserialize;
use serde_json::Value;

use crate::console::moment::{Moment, length};
use crate::console::state::{Mark, State};
use crate::console::units::{bytes, count};
use crate::host::{Change, DataFate, PlanPage};

/// Fields of the document that have a place of their own.
const KNOWN: [&str; 9] = ["kind", "schema", "from", "to", "missingBytes", "node", "components", "backup", "plan"];
/// Further fields that are shown, and parts of one.
const MOST: usize = 40;
/// Longest text of a further field, in characters.
const LONGEST: usize = 300;

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
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Node {
    kubernetes_before: String,
    kubernetes_after: String,
    replaces_control_plane: bool,
}

/// What happens to a component.
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

#[derive(Deserialize, Default)]
#[serde(default)]
struct Steps {
    steps: Vec<Step>,
    closing: Vec<Step>,
}

/// A step.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Step {
    pub(super) title: String,
    seconds: u64,
    undo: String,
}

impl Step {
    pub(super) fn is_final(&self) -> bool {
        self.undo == "irreversible"
    }
}

/// A component with its mark.
pub(super) struct ComponentRow {
    pub(super) mark: Mark,
    pub(super) component: Component,
}

impl ComponentRow {
    /// What a person notices of it while the plan is carried out.
    pub(super) fn meanwhile(&self) -> &'static str {
        match (self.component.stops, self.component.fate.as_str()) {
            (true, _) => "stops",
            (false, "added") => "starts",
            (false, "removed") => "ends",
            (false, "changed") => "pods are replaced",
            (false, _) => "runs",
        }
    }
}

/// Something further that the host says about the plan.
pub(super) struct Further {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// A plan.
pub(super) struct PlanView {
    pub(super) title: String,
    pub(super) digest: String,
    pub(super) site: String,
    pub(super) made: Option<Moment>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) is_upgrade: bool,
    /// What becomes of data, in a rollback.
    pub(super) data: Option<&'static str>,
    pub(super) copied: Option<String>,
    pub(super) duration: Option<String>,
    pub(super) node: Vec<String>,
    pub(super) backup: Option<Moment>,
    /// Whether data is replaced: what was written since the backup is lost.
    pub(super) loses_data: bool,
    pub(super) changed: Vec<ComponentRow>,
    pub(super) unchanged: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) closing: Vec<Step>,
    pub(super) further: Vec<Further>,
}

impl PlanView {
    pub(super) fn new(page: PlanPage) -> Self {
        let further = further(&page.document);
        let document = Document::deserialize(&page.document).unwrap_or_default();
        let is_upgrade = matches!(page.change, Change::Upgrade { .. });
        let data = match page.change {
            Change::Rollback { data: Some(DataFate::Keep), .. } => Some("stays as it is"),
            Change::Rollback { data: Some(DataFate::Restore), .. } => Some("comes from the backup"),
            _ => None,
        };
        let seconds: u64 = document.plan.steps.iter().chain(&document.plan.closing).map(|step| step.seconds).sum();
        let node = document.node.as_ref().map(node_sentences).unwrap_or_default();
        let (unchanged, changed): (Vec<_>, Vec<_>) =
            document.components.into_iter().partition(|component| component.fate == "unchanged" && !component.stops);
        let verb = if is_upgrade { "Upgrade to" } else { "Return to" };
        Self {
            title: format!("{verb} {}", document.to),
            digest: page.digest,
            site: page.site,
            made: Moment::read(Some(&page.made)),
            from: document.from,
            to: document.to,
            is_upgrade,
            data,
            copied: (document.missing_bytes > 0).then(|| bytes(document.missing_bytes)),
            duration: (seconds > 0).then(|| length(seconds)),
            node,
            loses_data: document.backup.is_some(),
            backup: document.backup.and_then(|backup| Moment::read(Some(&backup.time))),
            changed: changed.into_iter().map(component_row).collect(),
            unchanged: unchanged.into_iter().map(|component| component.name).collect(),
            steps: document.plan.steps,
            closing: document.plan.closing,
            further,
        }
    }

    pub(super) fn step_count(&self) -> String {
        count(self.steps.len() + self.closing.len(), "step")
    }

    pub(super) fn stopped(&self) -> Vec<&str> {
        let stops = self.changed.iter().filter(|row| row.component.stops);
        stops.map(|row| row.component.name.as_str()).collect()
    }
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

fn component_row(component: Component) -> ComponentRow {
    let mark = match component.fate.as_str() {
        "added" => State::Good.mark("Added"),
        "changed" => State::Busy.mark("Changed"),
        "removed" => State::Attention.mark("Removed"),
        "unchanged" => State::Unknown.mark("Unchanged"),
        _ => State::Unknown.mark("Other"),
    };
    ComponentRow { mark, component }
}

/// What the document says beyond the fields that have a place of their own.
fn further(document: &Value) -> Vec<Further> {
    let Some(fields) = document.as_object() else { return Vec::new() };
    let rest = fields.iter().filter(|(name, value)| !KNOWN.contains(&name.as_str()) && !is_nothing(value));
    rest.take(MOST)
        .map(|(name, value)| {
            let values = match value {
                Value::Array(items) => items.iter().take(MOST).map(|item| said(name, item)).collect(),
                other => vec![said(name, other)],
            };
            Further { name: words(name), values }
        })
        .collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A value in words, with the unit that its name ends with.
fn said(name: &str, value: &Value) -> String {
    let text = match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_u64() {
            Some(count) if name.ends_with("Bytes") => bytes(count),
            Some(seconds) if name.ends_with("Seconds") => length(seconds),
            _ => number.to_string(),
        },
        Value::Null => "none".to_owned(),
        Value::Array(items) => items.iter().take(MOST).map(|item| said(name, item)).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let told = fields.iter().filter(|(_, value)| !is_nothing(value)).take(MOST);
            told.map(|(name, value)| format!("{}: {}", words(name), said(name, value))).collect::<Vec<_>>().join(" · ")
        }
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A field's name as words, without the unit: `peakSpaceBytes` is `Peak space`.
fn words(name: &str) -> String {
    let bare = ["Bytes", "Seconds"].into_iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    let mut words = String::new();
    for letter in bare.chars() {
        if words.is_empty() {
            words.extend(letter.to_uppercase());
        } else if letter.is_uppercase() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}
