//! Checked requests for changes: what people sent becomes the host's request here, and nowhere else.

use std::collections::BTreeMap;

use landfall_documents::change::{Change, DataChoice, is_backup_time};
use landfall_peer::{
    AbortRequest, ApprovedRequest, LookRequest, PlanRequest, Requester, SUPPORT_HOURS, SupportRequest, is_id,
};
use serde_json::Value;

use super::requester::{host_name_of, new_request, unusable_id};
use crate::access::Caller;
use crate::approval::ApprovedPlan;
use crate::host::ChangeRequest;
use crate::refusal::Refusal;

/// Maximum length of a change's part in the audit log, in characters.
const LONGEST: usize = 200;

/// Request that the host may get: its parts have a usable form, and its plan is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRequest {
    request: ChangeRequest,
    /// True if the client chose the ID, and may send the request again.
    may_repeat: bool,
}

impl CheckedRequest {
    /// Checks a request to look at the host's media.
    pub fn look(caller: &Caller, id: Option<String>) -> Result<Self, Refusal> {
        Self::new(caller, id, None, |asking| ChangeRequest::Look(LookRequest { asking }))
    }

    /// Checks a request for a plan.
    pub fn plan(caller: &Caller, id: Option<String>, change: Change) -> Result<Self, Refusal> {
        refuse_odd_time(&change)?;
        Self::new(caller, id, None, |asking| ChangeRequest::Plan(PlanRequest { asking, change }))
    }

    /// Checks a request to begin a change by a plan that one or two people approved. `confirm` is the name of the site,
    /// as typed.
    pub fn begin(
        caller: &Caller,
        id: Option<String>,
        change: Change,
        approved: ApprovedPlan,
        confirm: String,
    ) -> Result<Self, Refusal> {
        refuse_odd_time(&change)?;
        let (plan, first) = approved.into_parts();
        Self::new(caller, id, first, |asking| ChangeRequest::Begin(ApprovedRequest { asking, change, plan, confirm }))
    }

    /// Checks a request to undo the operation with this number.
    pub fn abort(caller: &Caller, id: Option<String>, operation: u64) -> Result<Self, Refusal> {
        Self::new(caller, id, None, |asking| ChangeRequest::Abort(AbortRequest { asking, operation }))
    }

    /// Checks a request for a support bundle with logs of this many hours.
    pub fn collect(caller: &Caller, id: Option<String>, hours: u32) -> Result<Self, Refusal> {
        if !SUPPORT_HOURS.contains(&hours) {
            let (least, most) = (SUPPORT_HOURS.start(), SUPPORT_HOURS.end());
            return Err(Refusal::Invalid(format!("hours: give a number from {least} to {most}")));
        }
        Self::new(caller, id, None, |asking| ChangeRequest::Support(SupportRequest { asking, hours }))
    }

    fn new(
        caller: &Caller,
        id: Option<String>,
        first: Option<String>,
        request: impl FnOnce(Requester) -> ChangeRequest,
    ) -> Result<Self, Refusal> {
        if id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(unusable_id());
        }
        let (author, may_repeat) = (caller.author(), id.is_some());
        let by = host_name_of(&author);
        let asking = Requester { request: id.unwrap_or_else(new_request), by, correlation: author.correlation, first };
        Ok(Self { request: request(asking), may_repeat })
    }

    /// Returns the request.
    pub(super) const fn request(&self) -> &ChangeRequest {
        &self.request
    }

    /// Returns true if the client may have sent it before.
    pub(super) const fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    /// Returns the audit actions of the request and of its outcome.
    pub(super) const fn actions(&self) -> (&'static str, &'static str) {
        match &self.request {
            ChangeRequest::Look(_) => ("media.ask", "media.look"),
            ChangeRequest::Plan(_) => ("plan.ask", "plan.make"),
            ChangeRequest::Begin(ApprovedRequest { change, .. }) => match change {
                Change::Upgrade { .. } => ("upgrade.approve", "upgrade.begin"),
                Change::Rollback { .. } => ("rollback.approve", "rollback.begin"),
                Change::Restore { .. } => ("restore.approve", "restore.begin"),
                Change::Configure { .. } => ("settings.approve", "settings.begin"),
            },
            ChangeRequest::Abort(_) => ("change.ask-undo", "change.undo"),
            ChangeRequest::Support(_) => ("support.ask", "support.collect"),
        }
    }

    /// Returns true if it changes the site.
    pub(super) const fn is_change(&self) -> bool {
        matches!(self.request, ChangeRequest::Begin(_) | ChangeRequest::Abort(_))
    }

    /// Returns its object for the audit log.
    pub(super) fn object(&self) -> String {
        match &self.request {
            ChangeRequest::Look(_) => "media".to_owned(),
            ChangeRequest::Plan(PlanRequest { change, .. }) => subject(change),
            ChangeRequest::Begin(ApprovedRequest { change, plan, .. }) => {
                format!("{} by the plan {plan}", subject(change))
            }
            ChangeRequest::Abort(AbortRequest { operation, .. }) => format!("operation {operation}"),
            ChangeRequest::Support(SupportRequest { hours, .. }) => {
                format!("support bundle with logs of {hours} hours")
            }
        }
    }
}

/// Refuses a malformed time of the daily backup.
fn refuse_odd_time(change: &Change) -> Result<(), Refusal> {
    match change {
        Change::Configure { backup_time: Some(time), .. } if !is_backup_time(time) => {
            Err(Refusal::Invalid("backupTime: a time of day such as 03:15, or `default`".to_owned()))
        }
        _ => Ok(()),
    }
}

fn subject(change: &Change) -> String {
    match change {
        Change::Upgrade { medium } => format!("upgrade from medium {medium}"),
        Change::Rollback { version, data } => {
            let data = data.map(|data| match data {
                DataChoice::Keep => ", its data kept",
                DataChoice::Restore => ", its data restored",
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
    fn restore_title_is_short() {
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
    fn settings_title_lists_changes() {
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
