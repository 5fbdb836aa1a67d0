//! Plan of a change of settings, as shown to people.

use serde::Deserialize;
use serde_json::Value;

use super::form::plain;
use crate::console::change::SETTINGS;
use crate::console::moment::{Moment, length};
use crate::console::planned::{Edit, PlanApproval, PlanStatement, Step, Steps, further, where_readable};
use crate::console::units::count;
use crate::host::PlanPage;

/// Landfall's own setting of the daily backup's time.
const BACKUP_TIME: &str = "backups.time";

/// Fields of the document with their own place.
const KNOWN: [&str; 4] = ["kind", "schema", "settings", "plan"];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    #[serde(deserialize_with = "where_readable")]
    changes: Option<Vec<ChangedField>>,
    #[serde(deserialize_with = "where_readable")]
    edits: Option<Vec<Edit>>,
    #[serde(deserialize_with = "where_readable")]
    settings: Option<Vec<OwnSetting>>,
    plan: Steps,
}

/// A change of Landfall's own settings; those of secrets and of the daily backup's time can come from a browser.
#[derive(Deserialize)]
struct OwnSetting {
    setting: String,
    #[serde(default)]
    from: Value,
    #[serde(default)]
    to: Value,
}

/// A change of Landfall's own settings in words: a new value of a secret, by the numbers of both values, or a new time.
pub(super) struct ChangedOwn {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl OwnSetting {
    fn secret(self) -> Option<ChangedOwn> {
        let number = |value: &Value| if value.is_null() { "not given".to_owned() } else { plain(value) };
        let name = self.setting.strip_prefix("secrets.")?.to_owned();
        Some(ChangedOwn { name, from: number(&self.from), to: number(&self.to) })
    }

    fn backup_time(&self) -> Option<ChangedOwn> {
        let time = |value: &Value| if value.is_null() { "the usual time".to_owned() } else { plain(value) };
        let name = "Daily backup".to_owned();
        (self.setting == BACKUP_TIME).then(|| ChangedOwn { name, from: time(&self.from), to: time(&self.to) })
    }
}

impl Document {
    /// Returns true if a field with this name was read, and is shown in its place.
    fn has(&self, name: &str) -> bool {
        match name {
            "changes" => self.changes.is_some(),
            "edits" => self.edits.is_some(),
            _ => KNOWN.contains(&name),
        }
    }
}

/// A changed field of an object.
#[derive(Deserialize)]
pub(super) struct ChangedField {
    pub(super) component: String,
    /// Name of the setting.
    pub(super) value: String,
    kind: String,
    name: String,
    path: String,
    #[serde(default)]
    from: Value,
    #[serde(default)]
    to: Value,
}

impl ChangedField {
    pub(super) fn from(&self) -> String {
        setting_text(&self.from)
    }

    pub(super) fn to(&self) -> String {
        setting_text(&self.to)
    }

    pub(super) fn place(&self) -> String {
        format!("{} {} {}", self.kind, self.name, self.path)
    }
}

fn setting_text(value: &Value) -> String {
    if value.is_null() { "as the release was built".to_owned() } else { plain(value) }
}

/// A plan.
pub(super) struct PlanView {
    pub(super) title: String,
    pub(super) digest: String,
    pub(super) site: String,
    pub(super) made: Option<Moment>,
    pub(super) duration: Option<String>,
    pub(super) changes: Vec<ChangedField>,
    pub(super) secrets: Vec<ChangedOwn>,
    pub(super) times: Vec<ChangedOwn>,
    pub(super) edits: Vec<Edit>,
    pub(super) steps: Vec<Step>,
    pub(super) closing: Vec<Step>,
    pub(super) further: Vec<PlanStatement>,
    pub(super) approving: PlanApproval,
}

impl PlanView {
    /// Creates the view of a plan that changes these settings.
    pub(super) fn new(page: PlanPage, names: &[String]) -> Self {
        let document = Document::deserialize(&page.document).unwrap_or_default();
        let mut rest = page.document.as_object().cloned().unwrap_or_default();
        rest.retain(|name, _| !document.has(name));
        let seconds = document.plan.seconds();
        let own = document.settings.unwrap_or_default();
        Self {
            title: title(names),
            digest: page.digest,
            site: page.site,
            made: Moment::read(Some(&page.made)),
            duration: (seconds > 0).then(|| length(seconds)),
            changes: document.changes.unwrap_or_default(),
            times: own.iter().filter_map(OwnSetting::backup_time).collect(),
            secrets: own.into_iter().filter_map(OwnSetting::secret).collect(),
            edits: document.edits.unwrap_or_default(),
            steps: document.plan.steps,
            closing: document.plan.closing,
            further: further(&rest),
            approving: approving(),
        }
    }

    pub(super) fn step_count(&self) -> String {
        count(self.steps.len() + self.closing.len(), "step")
    }

    /// Returns the components whose pods are replaced or changed, in the plan's order.
    pub(super) fn components(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.changes.iter().map(|change| change.component.as_str()).collect();
        names.dedup();
        names
    }

    pub(super) fn lost_edits(&self) -> Vec<&Edit> {
        Edit::lost_edits(&self.edits)
    }
}

fn title(names: &[String]) -> String {
    match names {
        [one] => format!("Change {one}"),
        many => format!("Change {}", count(many.len(), "setting")),
    }
}

fn approving() -> PlanApproval {
    PlanApproval {
        home: SETTINGS,
        button: "Approve and change",
        second: "Approve second, and change",
        example: "someone changed the same setting in the meantime",
        after_commit: "",
        loses_data: false,
        overwriting_command: "landfall configure --overwrite-edits",
    }
}
