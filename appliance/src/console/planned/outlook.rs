//! Outlook on a plan before its approval: effects on each component and its data, required space, the point of no
//! return, and conflicting edits by administrators.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::further::{format_value, is_nothing};
use crate::console::moment::length;
use crate::console::state::{Mark, State};
use crate::console::units::bytes;

/// Interruptions, and the point of no return.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// Expected total duration; `None` in documents of an older host.
    pub seconds: Option<u64>,
    /// True if the site has not done all of it before.
    #[serde(default)]
    pub is_predicted: bool,
    #[serde(default)]
    pub components: Vec<ComponentOutlook>,
    pub point_of_no_return: Option<PointOfNoReturn>,
    /// Fields unknown to this console.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Effects on a component.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct ComponentOutlook {
    pub component: String,
    pub interruption: String,
    /// Expected downtime in seconds; `None` if the site does not know.
    pub expected_seconds: Option<u64>,
    /// True if the site has not done all of it before.
    #[serde(default)]
    pub is_predicted: bool,
    #[serde(default)]
    pub data: String,
}

impl Outlook {
    /// Returns the total duration, by the site's experience, or else by these seconds of a reference machine.
    pub fn duration(&self, of_a_reference_machine: u64) -> Option<String> {
        let seconds = self.seconds.unwrap_or(of_a_reference_machine);
        let basis = if self.is_predicted { "an estimated " } else { "" };
        (seconds > 0).then(|| format!("{basis}{}", length(seconds)))
    }
}

impl ComponentOutlook {
    /// Returns true if a person would notice no effect on it.
    pub fn is_quiet(&self) -> bool {
        self.interruption == "none" && ["", "none", "kept"].contains(&self.data.as_str())
    }

    /// Describes its interruption during the plan; `None` if its pods are unaffected.
    pub fn meanwhile(&self) -> Option<String> {
        let basis = if self.is_predicted { "an estimated" } else { "about" };
        let about = self.expected_seconds.map(|seconds| format!("{basis} {}", length(seconds)));
        match (self.interruption.as_str(), about) {
            ("none", _) => None,
            ("stops", Some(about)) => Some(format!("stops for {about}")),
            ("stops", None) => Some("stops; this site does not know yet for how long".to_owned()),
            ("replaced", Some(about)) => Some(format!("pods are replaced, in {about}")),
            ("replaced", None) => Some("pods are replaced".to_owned()),
            ("removed", _) => Some("ends".to_owned()),
            (other, Some(about)) => Some(format!("{other}, for {about}")),
            (other, None) => Some(other.to_owned()),
        }
    }

    /// Describes the effect on its data; empty if it has none.
    pub fn data(&self) -> &str {
        match self.data.as_str() {
            "none" => "",
            "kept" => "stays as it is",
            "copied" => "is copied, then may be changed",
            "restored" => "comes from the backup",
            other => other,
        }
    }
}

/// Point after which nothing can be undone automatically.
#[derive(Deserialize, Default)]
pub struct PointOfNoReturn {
    /// Step after which the change is committed.
    #[serde(default)]
    pub after: String,
    /// Irreversible effects from then on: each item is shown completely.
    pub lost: Vec<String>,
}

/// Peak use of a filesystem by the plan.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peak {
    pub folder: String,
    needed_bytes: u64,
    free_bytes: u64,
    #[serde(default)]
    needed_inodes: u64,
    /// Free inodes; `None` if the filesystem creates them as needed.
    free_inodes: Option<u64>,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    purpose: String,
    bytes: u64,
}

impl Peak {
    pub fn mark(&self) -> Mark {
        let lacks_inodes = self.free_inodes.is_some_and(|free| free < self.needed_inodes);
        match (self.free_bytes < self.needed_bytes, lacks_inodes) {
            (true, _) => State::Bad.mark("Too little"),
            (false, true) => State::Bad.mark("Too few inodes"),
            (false, false) => State::Good.mark("Enough"),
        }
    }

    pub fn needed_size(&self) -> String {
        bytes(self.needed_bytes)
    }

    pub fn free(&self) -> String {
        bytes(self.free_bytes)
    }

    /// Returns the purposes of the space.
    pub fn purposes(&self) -> Vec<String> {
        let mut purposes: Vec<_> =
            self.parts.iter().map(|part| format!("{} {}", bytes(part.bytes), part.purpose)).collect();
        if let Some(free) = self.free_inodes {
            purposes.push(format!("{} inodes; {free} are free", self.needed_inodes));
        }
        purposes
    }
}

/// A field that another manager has set to another value than the release.
#[derive(Deserialize)]
pub struct Edit {
    pub object: String,
    pub field: String,
    pub manager: String,
    /// Current value; null if not found or secret.
    #[serde(default)]
    now: Value,
    /// New value; null if secret.
    #[serde(default)]
    new: Value,
    /// True if the release lets the site change it.
    pub stays: bool,
    /// True if the release no longer has the object.
    #[serde(default, rename = "isRemoved")]
    is_removed: bool,
}

impl Edit {
    /// Returns the edits that a plan would lose: if there is one, the host refuses to begin (LF4036).
    pub fn lost_edits(edits: &[Self]) -> Vec<&Self> {
        edits.iter().filter(|edit| !edit.stays && !edit.is_removed).collect()
    }

    pub fn now(&self) -> String {
        format_plain_value(&self.now)
    }

    pub fn in_release(&self) -> String {
        format_plain_value(&self.new)
    }

    pub fn mark(&self) -> Mark {
        match self {
            Self { stays: true, .. } => State::Good.mark("Stays"),
            Self { is_removed: true, .. } => State::Attention.mark("Goes with its object"),
            _ => State::Bad.mark("Would be lost"),
        }
    }
}

/// A value of the site that has another effect in another release.
#[derive(Deserialize)]
pub struct ValueChange {
    pub setting: String,
    #[serde(default)]
    from: Value,
    #[serde(default)]
    to: Value,
}

impl ValueChange {
    pub fn now(&self) -> String {
        format_plain_value(&self.from)
    }

    /// Returns the later value; empty if the other release has no such value.
    pub fn later(&self) -> String {
        format_plain_value(&self.to)
    }
}

/// Formats a value without the unit in its field's name. An absent value gives an empty text.
fn format_plain_value(value: &Value) -> String {
    if is_nothing(value) { String::new() } else { format_value("", value) }
}
