//! Intended changes of users: their names in the audit log, and their requests to the host.

use std::collections::BTreeMap;

use landfall_peer::{
    AbortRequest, ApprovedRequest, LookRequest, PlanRequest, Requester, SupportRequest, is_backup_time,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::approval::ApprovedPlan;
use crate::host::{Change, ChangeRequest, DataFate};
use crate::refusal::Refusal;

/// Maximum length of a change's part in the audit log, in characters.
const LONGEST: usize = 200;

/// Deserializes a change only by its name: derived code would also accept the index of the variant.
pub(super) fn deserialize_change<'de, D: Deserializer<'de>>(fields: D) -> Result<Change, D::Error> {
    let fields = Map::deserialize(fields)?;
    if !fields.get("change").is_some_and(Value::is_string) {
        return Err(D::Error::custom("change: say what is planned, such as `upgrade`"));
    }
    Change::deserialize(Value::Object(fields)).map_err(D::Error::custom)
}

/// Intended action of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// The host looks at its media.
    Look,
    /// A change is planned.
    Plan(Change),
    /// A change begins.
    Approve {
        /// The change.
        change: Change,
        /// The plan that one or two people approved.
        approved: ApprovedPlan,
        /// Name of the site, as typed.
        confirm: String,
    },
    /// The operation with this number is undone.
    Abort(u64),
    /// A support bundle is collected, with logs of this many hours.
    Collect(u32),
}

impl Intent {
    /// Returns the audit actions of the request and of its outcome.
    pub(super) const fn actions(&self) -> (&'static str, &'static str) {
        match self {
            Self::Look => ("media.ask", "media.look"),
            Self::Plan(_) => ("plan.ask", "plan.make"),
            Self::Approve { change: Change::Upgrade { .. }, .. } => ("upgrade.approve", "upgrade.begin"),
            Self::Approve { change: Change::Rollback { .. }, .. } => ("rollback.approve", "rollback.begin"),
            Self::Approve { change: Change::Restore { .. }, .. } => ("restore.approve", "restore.begin"),
            Self::Approve { change: Change::Configure { .. }, .. } => ("settings.approve", "settings.begin"),
            Self::Abort(_) => ("change.ask-undo", "change.undo"),
            Self::Collect(_) => ("support.ask", "support.collect"),
        }
    }

    /// Returns true if it changes the site.
    pub(super) const fn is_change(&self) -> bool {
        matches!(self, Self::Approve { .. } | Self::Abort(_))
    }

    /// Returns its object for the audit log.
    pub(super) fn object(&self) -> String {
        match self {
            Self::Look => "media".to_owned(),
            Self::Plan(change) => subject(change),
            Self::Approve { change, approved, .. } => format!("{} by the plan {}", subject(change), approved.plan()),
            Self::Abort(operation) => format!("operation {operation}"),
            Self::Collect(hours) => format!("support bundle with logs of {hours} hours"),
        }
    }

    /// Returns why it must not be sent to the host, if so.
    pub(super) fn fault(&self) -> Option<Refusal> {
        let (Self::Plan(change) | Self::Approve { change, .. }) = self else { return None };
        let Change::Configure { backup_time: Some(time), .. } = change else { return None };
        let what = "backupTime: a time of day such as 03:15, or `default`";
        (!is_backup_time(time)).then(|| Refusal::Invalid(what.to_owned()))
    }

    /// Returns who approved it first, if two people did.
    pub(super) fn first(&self) -> Option<String> {
        if let Self::Approve { approved, .. } = self { approved.first().map(str::to_owned) } else { None }
    }

    pub(super) fn request(self, asking: Requester) -> ChangeRequest {
        match self {
            Self::Look => ChangeRequest::Look(LookRequest { asking }),
            Self::Plan(change) => ChangeRequest::Plan(PlanRequest { asking, change }),
            Self::Approve { change, approved, confirm } => {
                let request_of = match &change {
                    Change::Upgrade { .. } => ChangeRequest::Upgrade,
                    Change::Rollback { .. } => ChangeRequest::RollBack,
                    Change::Restore { .. } => ChangeRequest::Restore,
                    Change::Configure { .. } => ChangeRequest::Configure,
                };
                request_of(ApprovedRequest { asking, change, plan: approved.plan().to_owned(), confirm })
            }
            Self::Abort(operation) => ChangeRequest::Abort(AbortRequest { asking, operation }),
            Self::Collect(hours) => ChangeRequest::Support(SupportRequest { asking, hours }),
        }
    }
}

fn subject(change: &Change) -> String {
    match change {
        Change::Upgrade { medium } => format!("upgrade from medium {medium}"),
        Change::Rollback { version, data } => {
            let data = data.map(|data| match data {
                DataFate::Keep => ", its data kept",
                DataFate::Restore => ", its data restored",
            });
            format!("rollback to {version}{}", data.unwrap_or_default())
        }
        Change::Restore { backup, at, components } => restore_of(backup.as_deref(), at.as_deref(), components),
        Change::Configure { values, secrets, backup_time } => settings_of(values, secrets, backup_time.as_deref()),
    }
}

/// Describes changed settings, replaced secrets and the time of backups for the audit log.
fn settings_of(
    values: &BTreeMap<String, Value>,
    secrets: &BTreeMap<String, String>,
    backup_time: Option<&str>,
) -> String {
    let become_what = |(name, value): (&String, &Value)| match value {
        Value::Null => format!("{name} its default"),
        value => format!("{name} {value}"),
    };
    let secrets = secrets.keys().map(|name| format!("another value of the secret {name}"));
    let backup = backup_time.map(|time| match time {
        "default" => "the time of the daily backup its default".to_owned(),
        time => format!("the time of the daily backup {time}"),
    });
    let all = values.iter().map(become_what).chain(secrets).chain(backup).collect::<Vec<_>>().join(", ");
    format!("change of settings: {}", short(&all))
}

/// Shortens a part: a program may have sent any text.
fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// Describes a restore for the audit log.
fn restore_of(backup: Option<&str>, at: Option<&str>, components: &[String]) -> String {
    let what = if components.is_empty() { "all data".to_owned() } else { components.join(", ") };
    let backup = backup.map(|id| format!(" from backup {}", short(id)));
    let at = at.map(|at| format!(" as of {}", short(at)));
    format!("restore of {}{}{}", short(&what), backup.unwrap_or_default(), at.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_is_named_shortly_whatever_was_sent() {
        let restore = |backup: Option<&str>, at: Option<&str>, components: &[&str]| Change::Restore {
            backup: backup.map(str::to_owned),
            at: at.map(str::to_owned),
            components: components.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(subject(&restore(None, None, &[])), "restore of all data");
        let named = restore(Some("0f"), Some("2026-11-20T06:00:00Z"), &["db", "kv"]);
        assert_eq!(subject(&named), "restore of db, kv from backup 0f as of 2026-11-20T06:00:00Z");
        let long = "x".repeat(10_000);
        assert!(subject(&restore(Some(&long), Some(&long), &[&long])).len() < 700);
    }

    #[test]
    fn a_change_of_settings_says_what_becomes_of_each() {
        let values = [("a.mode".to_owned(), "slow".into()), ("b.replicas".to_owned(), Value::Null)].into();
        let subject_of = |values| subject(&Change::Configure { values, secrets: [].into(), backup_time: None });
        assert_eq!(subject_of(values), r#"change of settings: a.mode "slow", b.replicas its default"#);
        assert!(subject_of([("x".repeat(10_000), Value::Null)].into()).len() < 300);
        let secrets = [("directory".to_owned(), "0000000f".to_owned())].into();
        let named = subject(&Change::Configure { values: [].into(), secrets, backup_time: None });
        assert_eq!(named, "change of settings: another value of the secret directory");
        let timed = |time: &str| {
            let backup_time = Some(time.to_owned());
            subject(&Change::Configure { values: [].into(), secrets: [].into(), backup_time })
        };
        assert_eq!(timed("03:15"), "change of settings: the time of the daily backup 03:15");
        assert_eq!(timed("default"), "change of settings: the time of the daily backup its default");
    }
}
