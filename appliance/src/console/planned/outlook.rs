//! What a person wants to know of a plan before approving it: what happens to each component and its data, the space that is needed, from
//! when on nothing goes back by itself, and which edits by administrators are in the way.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::further::{is_nothing, said};
use crate::console::moment::length;
use crate::console::state::{Mark, State};
use crate::console::units::bytes;

/// What happens meanwhile, and from when on nothing goes back by itself.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// How long all of it is expected to take; none in documents of an older host.
    pub seconds: Option<u64>,
    /// Whether the site has not done all of it yet.
    #[serde(default)]
    pub is_predicted: bool,
    #[serde(default)]
    pub components: Vec<ComponentOutlook>,
    pub point_of_no_return: Option<PointOfNoReturn>,
    /// What this console does not know.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What happens to a component.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct ComponentOutlook {
    pub component: String,
    pub interruption: String,
    /// For how long it is expected to be away, in seconds; none where the site does not know.
    pub expected_seconds: Option<u64>,
    /// Whether the site has not done all of it yet.
    #[serde(default)]
    pub is_predicted: bool,
    #[serde(default)]
    pub data: String,
}

impl Outlook {
    /// How long all of it takes, by what the site has done before, or else by these seconds of a reference machine.
    pub fn duration(&self, of_a_reference_machine: u64) -> Option<String> {
        let seconds = self.seconds.unwrap_or(of_a_reference_machine);
        let basis = if self.is_predicted { "an estimated " } else { "" };
        (seconds > 0).then(|| format!("{basis}{}", length(seconds)))
    }
}

impl ComponentOutlook {
    /// Whether nothing happens to it that a person would notice.
    pub fn is_quiet(&self) -> bool {
        self.interruption == "none" && ["", "none", "kept"].contains(&self.data.as_str())
    }

    /// What a person notices of it while the plan is carried out; none where its pods are let alone.
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

    /// What becomes of its data; empty where it has none.
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

/// From when on nothing goes back by itself.
#[derive(Deserialize, Default)]
pub struct PointOfNoReturn {
    /// The step after which the change is committed.
    #[serde(default)]
    pub after: String,
    /// What cannot be undone from then on: each item is shown, whole.
    pub lost: Vec<String>,
}

/// What the plan takes of a filesystem at its peak.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peak {
    pub folder: String,
    needed_bytes: u64,
    free_bytes: u64,
    #[serde(default)]
    needed_inodes: u64,
    /// None where the filesystem makes them as needed.
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

    pub fn needed(&self) -> String {
        bytes(self.needed_bytes)
    }

    pub fn free(&self) -> String {
        bytes(self.free_bytes)
    }

    /// What the space is for.
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
    /// None where it is not found, or secret.
    #[serde(default)]
    now: Value,
    /// None where it is secret.
    #[serde(default)]
    new: Value,
    /// Whether the release lets the site change it.
    pub stays: bool,
    /// Whether the release has no such object any more.
    #[serde(default, rename = "isRemoved")]
    is_removed: bool,
}

impl Edit {
    /// Those that a plan would lose: with one, the host refuses to begin (LF4036).
    pub fn lost(edits: &[Self]) -> Vec<&Self> {
        edits.iter().filter(|edit| !edit.stays && !edit.is_removed).collect()
    }

    pub fn now(&self) -> String {
        shown(&self.now)
    }

    pub fn in_release(&self) -> String {
        shown(&self.new)
    }

    pub fn mark(&self) -> Mark {
        match self {
            Self { stays: true, .. } => State::Good.mark("Stays"),
            Self { is_removed: true, .. } => State::Attention.mark("Goes with its object"),
            _ => State::Bad.mark("Would be lost"),
        }
    }
}

/// A value of the site that has another result in another release.
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
        shown(&self.from)
    }

    /// Empty where the other release has no such value.
    pub fn later(&self) -> String {
        shown(&self.to)
    }
}

/// A value as it is, without the units that names of documents have; empty where there is none.
fn shown(value: &Value) -> String {
    if is_nothing(value) { String::new() } else { said("", value) }
}
