//! Secrets that a site gives, from an operation's view: existing values, and values that a person supplies.

use jiff::Timestamp;
use landfall_release_document::ReleaseDocument;

use super::Operations;
use super::error::{Result, refuse_blocked};
use super::history::History;
use crate::steps::action::LastActions;
use crate::steps::site_secret::numbers;
use landfall_site::configuration::SiteConfiguration;
use landfall_site::site_secrets::{
    BroughtSecrets, GivenSecrets, KeptSecrets, NO_SECRETS, SecretInputs, SecretKey, SecretStore,
};

/// A change's treatment of secrets.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretInput<'a> {
    /// Values that a person supplies.
    pub(super) brought: &'a BroughtSecrets,
    /// True if the files in the new settings are read.
    pub(super) are_read: bool,
}

impl SecretInput<'static> {
    /// Keeps every secret.
    pub(super) fn none() -> Self {
        Self { brought: &NO_SECRETS, are_read: false }
    }
}

impl Operations {
    /// Returns the values of a release's secrets on this site, whose settings change from the first to the second.
    /// Fails if a name is unknown to the release.
    pub(super) fn given_secrets(
        &self,
        release: &ReleaseDocument,
        (before, after): (&SiteConfiguration, &SiteConfiguration),
        made: &LastActions,
        request: SecretInput<'_>,
    ) -> Result<GivenSecrets> {
        let kept =
            KeptSecrets { store: SecretStore::of(&self.paths), numbers: numbers(made), sources: &before.secrets };
        let asked = SecretInputs {
            release,
            values: &after.values,
            configured: request.are_read.then_some(&after.secrets),
            brought: request.brought,
            kept: Some(kept),
            now: Timestamp::now(),
        };
        asked.refuse_unknown()?;
        Ok(asked.choose_secrets())
    }

    /// Removes the values that are not the latest of a committed operation.
    pub(super) fn remove_old_secrets(&self, history: &History) -> Result<()> {
        let needed = numbers(&history.last_actions()?).into_iter().map(|(secret, number)| SecretKey { secret, number });
        Ok(SecretStore::of(&self.paths).retain(&needed.collect())?)
    }
}

/// Fails with all missing or invalid secrets at once.
pub(super) fn refuse_given(given: &GivenSecrets) -> Result<()> {
    refuse_blocked(given.findings.iter().cloned())
}
