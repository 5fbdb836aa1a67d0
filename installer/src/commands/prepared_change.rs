//! A prepared change, which is planned or begun: both prepare it in the same way, so that one change has one plan.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_lifecycle::operations::{
    Edits, Operations, PreparedConfigure, PreparedRestore, PreparedUpgrade, RestoreRequest, UpgradeRequest,
};
use landfall_site::configuration::ChangedValues;
use landfall_site::site_secrets::{BroughtSecrets, SentSecret};
use serde_json::{Value, json};

use super::configure::ConfigureDryRun;
use super::install::refusal;
use super::resolved_change::{ResolvedChange, SecretText};
use super::restore::RestoreDryRun;
use super::upgrade::UpgradeDryRun;
use crate::document;
use crate::failure::Failure;

/// A change with its plan.
pub(super) trait PreparedChange {
    /// Returns the document of the plan, and the digest that an approval names.
    fn plan_document(&self) -> Result<(String, Sha256), Failure>;

    /// Begins the change if its plan is the approved one. Returns the answer for the API.
    fn begin_planned(self: Box<Self>, approved: Sha256) -> Result<Value, Failure>;
}

impl PreparedChange for PreparedUpgrade<'_> {
    fn plan_document(&self) -> Result<(String, Sha256), Failure> {
        Ok((document::line(&UpgradeDryRun::from_prepared(self)), self.approval()?))
    }

    fn begin_planned(self: Box<Self>, approved: Sha256) -> Result<Value, Failure> {
        self.begin_approved(approved)?;
        Ok(json!({}))
    }
}

impl PreparedChange for PreparedRestore<'_> {
    fn plan_document(&self) -> Result<(String, Sha256), Failure> {
        Ok((document::line(&RestoreDryRun::from_prepared(self)?), self.approval()?))
    }

    fn begin_planned(self: Box<Self>, approved: Sha256) -> Result<Value, Failure> {
        let unsaved = self.begin_approved(approved)?;
        if let Some(unsaved) = &unsaved {
            tracing::warn!("{unsaved}");
        }
        Ok(json!({ "notes": unsaved.as_slice() }))
    }
}

impl PreparedChange for PreparedConfigure<'_> {
    fn plan_document(&self) -> Result<(String, Sha256), Failure> {
        Ok((document::line(&ConfigureDryRun::from_prepared(self)), self.approval()?))
    }

    fn begin_planned(self: Box<Self>, approved: Sha256) -> Result<Value, Failure> {
        self.begin_approved(approved)?;
        Ok(json!({}))
    }
}

/// Prepares a change.
pub(super) fn prepare(
    operations: &Operations,
    change: ResolvedChange,
) -> Result<Box<dyn PreparedChange + '_>, Failure> {
    match change {
        ResolvedChange::Upgrade { bundle } => {
            Ok(Box::new(operations.prepare_upgrade(&UpgradeRequest::to(&bundle)).map_err(refusal)?))
        }
        ResolvedChange::Rollback { version, data } => {
            Ok(Box::new(operations.prepare_rollback(Some(&version), data, Edits::Refuse).map_err(refusal)?))
        }
        ResolvedChange::Restore { backup, at, components } => {
            Ok(Box::new(operations.prepare_restore(&RestoreRequest { backup, at, components })?))
        }
        ResolvedChange::Configure { values, secrets, backup_time } => {
            Ok(Box::new(prepare_configure(operations, &values, secrets, backup_time.as_deref())?))
        }
    }
}

/// Prepares a change of settings.
fn prepare_configure<'a>(
    operations: &'a Operations,
    values: &ChangedValues,
    secrets: BTreeMap<String, SecretText>,
    backup_time: Option<&str>,
) -> Result<PreparedConfigure<'a>, Failure> {
    let sent = secrets.into_iter().map(|(name, SecretText(value))| (name, SentSecret::new(&value))).collect();
    let brought = BroughtSecrets { sent, ..BroughtSecrets::default() };
    operations.prepare_values(values, backup_time, &brought, Edits::Refuse).map_err(refusal)
}
