//! Validation of backup rules beyond their fields. As with proofs, a vendor's mistake is found at build time, with its
//! line, and a site repeats the check.

use landfall_bundle_spec::names::is_dns_label;

use super::{
    BackupCheck, BackupCheckField, BackupFault, BackupField, BackupHold, BackupHoldField, BackupLog, BackupLogField,
    BackupMarker, BackupRule,
};
use crate::fields::{
    self, check_arguments, check_container, check_sentence, check_text, check_workload, escape_shortened,
};

/// Maximum limit of a rule's program in seconds: a day.
const LIMIT_SECONDS: u64 = 24 * 3600;

/// Maximum time in seconds for which writers may be held: ten minutes.
const HOLD_SECONDS: u64 = 600;

/// Maximum number of a rule's checks.
const CHECKS: usize = 32;

type BackupCheckResult = Result<(), BackupFault>;

impl BackupRule {
    /// Returns an error for the first invalid field. This check does not know whether the component has the workload,
    /// the container and the volume.
    pub fn check(&self) -> BackupCheckResult {
        require(is_dns_label(&self.name), BackupField::Name, || {
            format!("the name `{}`, which is not a DNS label", escape_shortened(&self.name))
        })?;
        within(BackupField::Workload, check_workload(&self.workload))?;
        within(BackupField::Container, check_container(self.container.as_deref()))?;
        require(is_dns_label(&self.volume), BackupField::Volume, || {
            format!("the volume `{}`, which is not a DNS label", escape_shortened(&self.volume))
        })?;
        within(BackupField::Limit, check_limit(self.limit_seconds))?;
        within(BackupField::Save, check_arguments(&self.save))?;
        within(BackupField::Load, check_arguments(&self.load))?;
        self.log.as_ref().map_or(Ok(()), check_log)?;
        self.hold.as_ref().map_or(Ok(()), check_hold)?;
        self.counts.as_ref().map_or(Ok(()), |counts| within(BackupField::Counts, check_arguments(counts)))?;
        require(self.counts.is_none() || self.log.is_some() || self.hold.is_some(), BackupField::Counts, || {
            "`counts` without a log or a hold, so that nothing fixes the time of the count".to_owned()
        })?;
        self.marker.as_ref().map_or(Ok(()), check_marker)?;
        let checks = self.checks.len();
        require(checks <= CHECKS, BackupField::Checks, || {
            format!("{checks} checks, where up to {CHECKS} are allowed")
        })?;
        require(checks > 0 || self.marker.is_some(), BackupField::Checks, || {
            "neither a check nor a marker, so that nothing shows whether a restore worked".to_owned()
        })?;
        self.checks.iter().enumerate().try_for_each(|(index, check)| {
            check_check(check).map_err(|(field, what)| BackupFault { field: BackupField::Check(index, field), what })
        })
    }
}

fn check_log(log: &BackupLog) -> BackupCheckResult {
    const PLACEHOLDER: &str = BackupLog::PLACEHOLDER;
    for field in BackupLogField::ALL {
        within(BackupField::Log(field), check_arguments(field.of(log)))?;
    }
    require(
        log.recover.iter().any(|argument| argument.contains(PLACEHOLDER)),
        BackupField::Log(BackupLogField::Recover),
        || format!("no `{PLACEHOLDER}` in the arguments that recover"),
    )
}

fn check_hold(hold: &BackupHold) -> BackupCheckResult {
    const PLACEHOLDER: &str = BackupHold::PLACEHOLDER;
    let seconds = hold.limit_seconds;
    within(BackupField::Hold(BackupHoldField::Begin), check_arguments(&hold.begin))?;
    within(BackupField::Hold(BackupHoldField::End), check_arguments(&hold.end))?;
    require(
        hold.begin.iter().any(|argument| argument.contains(PLACEHOLDER)),
        BackupField::Hold(BackupHoldField::Begin),
        || format!("no `{PLACEHOLDER}` in the arguments that begin the hold: it must end on its own"),
    )?;
    require((1..=HOLD_SECONDS).contains(&seconds), BackupField::Hold(BackupHoldField::Limit), || {
        format!("a hold of {seconds} seconds, where 1 to {HOLD_SECONDS} are allowed")
    })
}

fn check_marker(marker: &BackupMarker) -> BackupCheckResult {
    const PLACEHOLDER: &str = BackupMarker::PLACEHOLDER;
    let names_word = |arguments: &[String]| arguments.iter().any(|argument| argument.contains(PLACEHOLDER));
    within(BackupField::MarkerWrite, check_arguments(&marker.write))?;
    within(BackupField::MarkerRead, check_arguments(&marker.read))?;
    require(names_word(&marker.write), BackupField::MarkerWrite, || {
        format!("no `{PLACEHOLDER}` in the arguments that write the marker")
    })?;
    require(!names_word(&marker.read), BackupField::MarkerRead, || {
        format!("`{PLACEHOLDER}` in the arguments that read the marker, which must come from the restored data")
    })
}

fn check_check(check: &BackupCheck) -> Result<(), (BackupCheckField, String)> {
    let at = |field| move |what| (field, what);
    check_sentence(&check.shows).map_err(at(BackupCheckField::Shows))?;
    check_arguments(&check.arguments).map_err(at(BackupCheckField::Arguments))?;
    check_limit(check.limit_seconds).map_err(at(BackupCheckField::Limit))?;
    let stdout = check.expect.stdout.as_ref();
    stdout.map_or(Ok(()), check_text).map_err(at(BackupCheckField::Expect))
}

fn check_limit(seconds: u64) -> fields::CheckResult {
    fields::require((1..=LIMIT_SECONDS).contains(&seconds), || {
        format!("a limit of {seconds} seconds, where 1 to {LIMIT_SECONDS} are allowed")
    })
}

fn require(right: bool, field: BackupField, what: impl FnOnce() -> String) -> BackupCheckResult {
    within(field, fields::require(right, what))
}

fn within(field: BackupField, checked: fields::CheckResult) -> BackupCheckResult {
    checked.map_err(|what| BackupFault { field, what })
}
