//! Secrets that a site gives, as an operation meets them: those that it has, and those that a person brings.

use jiff::Timestamp;
use landfall_release_document::ReleaseDocument;

use super::Operations;
use super::error::{Result, refuse_blocked};
use super::history::History;
use crate::configuration::SiteConfiguration;
use crate::plan::configure::Made;
use crate::site_secrets::{Asked, BroughtSecrets, GivenSecrets, Kept, NO_SECRETS, SecretKey, SecretStore, numbers};

/// What a change does about secrets.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretWish<'a> {
    /// Those that a person brings.
    pub(super) brought: &'a BroughtSecrets,
    /// Whether the files are read that the new settings name.
    pub(super) are_read: bool,
}

impl SecretWish<'static> {
    /// Every secret stays as it is.
    pub(super) fn none() -> Self {
        Self { brought: &NO_SECRETS, are_read: false }
    }
}

impl Operations {
    /// What each secret of a release gets on this site, whose settings change from the first to the second. A name that the
    /// release does not know is refused.
    pub(super) fn given_secrets(
        &self,
        release: &ReleaseDocument,
        (before, after): (&SiteConfiguration, &SiteConfiguration),
        made: &Made,
        wish: SecretWish<'_>,
    ) -> Result<GivenSecrets> {
        let kept = Kept { store: SecretStore::of(&self.paths), numbers: numbers(made), sources: &before.secrets };
        let asked = Asked {
            release,
            values: &after.values,
            configured: wish.are_read.then_some(&after.secrets),
            brought: wish.brought,
            kept: Some(kept),
            now: Timestamp::now(),
        };
        asked.refuse_unknown()?;
        Ok(asked.given())
    }

    /// Removes the values that no committed operation has made last.
    pub(super) fn remove_old_secrets(&self, history: &History) -> Result<()> {
        let needed = numbers(&history.made()?).into_iter().map(|(secret, number)| SecretKey { secret, number });
        Ok(SecretStore::of(&self.paths).retain(&needed.collect())?)
    }
}

impl GivenSecrets {
    /// Refuses secrets that are missing or unfit, all at once.
    pub(super) fn refuse(&self) -> Result<()> {
        refuse_blocked(self.findings.iter().cloned())
    }
}
