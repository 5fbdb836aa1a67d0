//! Check of the settings on demand, with the directory itself, before users depend on them.

use std::path::Path;

use landfall_error_codes::codes;

use super::files::NAMES;
use super::ldap::Ldap;
use super::oidc::Provider;
use super::{State, read};
use crate::error::{Error, Result};
use crate::settings_files::Files;

/// Checks the settings in a folder, and makes the queries that a sign-in will need. Signs in no user and changes
/// nothing. Returns lines for people.
pub async fn check(folder: &Path) -> Result<Vec<String>> {
    match read(&Files::read(folder, &NAMES)) {
        State::Off => Ok(vec![format!("{} holds no settings: people are local", folder.display())]),
        State::Faulty(faults) => Err(Error::new(codes::DIRECTORY_SETTINGS, faults.join("; "))),
        State::On(sources) => {
            let mut lines = Vec::new();
            if let Some(provider) = &sources.oidc {
                lines.extend(check_provider(provider).await?);
            }
            if let Some(ldap) = &sources.ldap {
                lines.extend(check_server(ldap).await?);
            }
            Ok(lines)
        }
    }
}

async fn check_server(ldap: &Ldap) -> Result<Vec<String>> {
    let url = ldap.settings().url.to_string();
    let failed = |error| Error::new(codes::DIRECTORY_SILENT, url.clone()).because(error);
    let found = ldap.check().await.map_err(failed)?;
    Ok(vec![format!("LDAP            {url}"), found])
}

async fn check_provider(provider: &Provider) -> Result<Vec<String>> {
    let failed = |error| Error::new(codes::DIRECTORY_SILENT, provider.settings().issuer.clone()).because(error);
    let keys = provider.check().await.map_err(failed)?;
    Ok(vec![
        format!("OpenID Connect  {}", provider.settings().issuer),
        format!("answers         with {keys} keys"),
        format!("client          {}", provider.settings().client),
        format!("returns to      {}", provider.redirect()),
    ])
}
