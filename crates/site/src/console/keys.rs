//! Identities of the two peers, the console's pods and the host. They are made once and do not expire.

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_peer::{Certificate, Identity, IdentityError};
use serde::{Deserialize, Serialize};

use super::files::ConsoleFiles;

const HOST: &str = "host.json";
const CONSOLE: &str = "console.json";

/// A certificate with its key, as PEM. No `Debug`: the key must not reach a log.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Identities of both peers.
#[derive(PartialEq, Eq)]
pub struct PeerKeys {
    pub(super) host: Pair,
    pub(super) console: Pair,
}

impl PeerKeys {
    /// Reads the identities; `None` if the site has no console.
    pub fn read(files: &ConsoleFiles) -> Result<Option<Self>, StepError> {
        let (host, console) = (files.read(HOST)?, files.read(CONSOLE)?);
        Ok(host.zip(console).map(|(host, console)| Self { host, console }))
    }

    /// Reads the identities, and creates missing ones.
    pub fn ensure(files: &ConsoleFiles) -> Result<Self, StepError> {
        Ok(Self { host: pair(files, HOST, "landfall-host")?, console: pair(files, CONSOLE, "landfall-console")? })
    }

    /// Returns the host's identity, and the certificate of its peer.
    pub fn host_side(&self) -> Result<(Identity, Certificate), IdentityError> {
        let own = Identity::from_pem(self.host.certificate.as_bytes(), self.host.key.as_bytes())?;
        Ok((own, Certificate::from_pem(self.console.certificate.as_bytes())?))
    }
}

fn pair(files: &ConsoleFiles, file: &str, name: &str) -> Result<Pair, StepError> {
    if let Some(known) = files.read(file)? {
        return Ok(known);
    }
    let (certificate, key) = Identity::generate(name).map_err(not_made)?;
    let pair = Pair { certificate, key };
    files.write(file, &pair)?;
    Ok(pair)
}

pub(super) fn not_made(error: IdentityError) -> StepError {
    StepError::new(codes::CONSOLE_FILES, "the console's keys cannot be made").because(error)
}
