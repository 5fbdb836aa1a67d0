//! Converts a vendor's declaration to a backup rule of the release document.

use landfall_release_document::{
    BackupCheck, BackupCheckField, BackupFault, BackupField, BackupHold, BackupHoldField, BackupLog, BackupMarker,
    BackupRule, CommandExpectation, HoldUntil,
};
use serde_saphyr::{Location, Spanned};

use super::{CHECK_LIMIT_SECONDS, HOLD_SECONDS, LIMIT_SECONDS, LocatedRule};
use crate::definition::{CheckDefinition, HoldDefinition, HoldUntilDefinition, LogDefinition, ONE_WAY};
use crate::error::{BuildError, Result};
use crate::workloads;

impl LocatedRule<'_> {
    /// The rule, checked with the rules of a site.
    pub(super) fn rule(&self) -> Result<BackupRule> {
        let definition = self.definition;
        let workload = &definition.workload;
        let checks = definition.checks.iter().enumerate();
        let rule = BackupRule {
            name: definition.name.value.clone(),
            workload: workloads::parse(&workload.value)
                .map_err(|unknown| unknown.at(|what| self.invalid(workload, "workload", what)))?,
            container: definition.container.as_ref().map(|name| name.value.clone()),
            volume: definition.volume.value.clone(),
            limit_seconds: definition.limit_seconds.as_ref().map_or(LIMIT_SECONDS, |limit| limit.value),
            save: definition.save.value.clone(),
            load: definition.load.value.clone(),
            log: definition.log.as_ref().map(log),
            hold: definition.hold.as_ref().map(hold),
            counts: definition.counts.as_ref().map(|counts| counts.value.clone()),
            marker: definition
                .marker
                .as_ref()
                .map(|marker| BackupMarker { write: marker.write.value.clone(), read: marker.read.value.clone() }),
            checks: checks.map(|(index, check)| self.check(index, check)).collect::<Result<_>>()?,
        };
        rule.check().map_err(|fault| self.fault(&fault))?;
        Ok(rule)
    }

    fn check(&self, index: usize, check: &CheckDefinition) -> Result<BackupCheck> {
        let expect = match &check.expect {
            None => CommandExpectation { exit_code: 0, stdout: None },
            Some(expect) => {
                let field = format!("checks[{index}].expect.stdout");
                expect.value.expectation().ok_or_else(|| self.invalid(expect, &field, ONE_WAY))?
            }
        };
        Ok(BackupCheck {
            shows: check.shows.value.clone(),
            arguments: check.arguments.value.clone(),
            limit_seconds: check.limit_seconds.as_ref().map_or(CHECK_LIMIT_SECONDS, |limit| limit.value),
            expect,
        })
    }

    /// Error for a rule that the format refuses, at the line of its field.
    fn fault(&self, fault: &BackupFault) -> BuildError {
        let definition = self.definition;
        let name = &definition.name;
        let (field, at) = match fault.field {
            BackupField::Name => ("name".to_owned(), at_of(Some(name))),
            BackupField::Workload => ("workload".to_owned(), at_of(Some(&definition.workload))),
            BackupField::Container => ("container".to_owned(), at_of(definition.container.as_ref())),
            BackupField::Volume => ("volume".to_owned(), at_of(Some(&definition.volume))),
            BackupField::Limit => ("limitSeconds".to_owned(), at_of(definition.limit_seconds.as_ref())),
            BackupField::Save => ("save".to_owned(), at_of(Some(&definition.save))),
            BackupField::Load => ("load".to_owned(), at_of(Some(&definition.load))),
            BackupField::Log(field) => {
                let at = at_of(definition.log.as_ref().map(|log| log.program(field)));
                (format!("log.{}", field.name()), at)
            }
            BackupField::Hold(field) => {
                let (field, at) = in_hold(definition.hold.as_ref(), field);
                (format!("hold.{field}"), at)
            }
            BackupField::Counts => ("counts".to_owned(), at_of(definition.counts.as_ref())),
            BackupField::MarkerWrite => {
                ("marker.write".to_owned(), at_of(definition.marker.as_ref().map(|marker| &marker.write)))
            }
            BackupField::MarkerRead => {
                ("marker.read".to_owned(), at_of(definition.marker.as_ref().map(|marker| &marker.read)))
            }
            BackupField::Checks => ("checks".to_owned(), None),
            BackupField::Check(index, field) => {
                let (field, at) = in_check(definition.checks.get(index), field);
                (format!("checks[{index}].{field}"), at)
            }
        };
        let what = format!("the backup rule `{}` has {}", name.value, fault.what);
        let place = self.place(at.unwrap_or(name.referenced), &field);
        BuildError::at(landfall_error_codes::codes::RELEASE_INVALID, place, what)
    }
}

fn log(definition: &LogDefinition) -> BackupLog {
    BackupLog {
        keep: definition.keep.value.clone(),
        save: definition.save.value.clone(),
        saved: definition.saved.value.clone(),
        load: definition.load.value.clone(),
        recover: definition.recover.value.clone(),
    }
}

fn hold(definition: &HoldDefinition) -> BackupHold {
    BackupHold {
        begin: definition.begin.value.clone(),
        end: definition.end.value.clone(),
        limit_seconds: definition.limit_seconds.as_ref().map_or(HOLD_SECONDS, |limit| limit.value),
        until: match definition.until {
            Some(HoldUntilDefinition::FirstByte) => HoldUntil::FirstByte,
            Some(HoldUntilDefinition::End) | None => HoldUntil::End,
        },
    }
}

/// Name of a hold's field as written, and its place.
fn in_hold(hold: Option<&HoldDefinition>, field: BackupHoldField) -> (&'static str, Option<Location>) {
    match field {
        BackupHoldField::Begin => ("begin", at_of(hold.map(|hold| &hold.begin))),
        BackupHoldField::End => ("end", at_of(hold.map(|hold| &hold.end))),
        BackupHoldField::Limit => ("limitSeconds", at_of(hold.and_then(|hold| hold.limit_seconds.as_ref()))),
    }
}

/// Name of a check's field as written, and its place.
fn in_check(check: Option<&CheckDefinition>, field: BackupCheckField) -> (&'static str, Option<Location>) {
    match field {
        BackupCheckField::Shows => ("shows", at_of(check.map(|check| &check.shows))),
        BackupCheckField::Arguments => ("arguments", at_of(check.map(|check| &check.arguments))),
        BackupCheckField::Limit => ("limitSeconds", at_of(check.and_then(|check| check.limit_seconds.as_ref()))),
        BackupCheckField::Expect => ("expect", at_of(check.and_then(|check| check.expect.as_ref()))),
    }
}

fn at_of<T>(at: Option<&Spanned<T>>) -> Option<Location> {
    at.map(|at| at.referenced)
}
