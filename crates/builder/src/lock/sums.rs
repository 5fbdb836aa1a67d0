//! Published checksums of a file, as the lock names them: a publisher's file with the SHA-256 of other files.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde_saphyr::Spanned;

use super::document::Refuse;
use super::edit::{self, Replacement};
use super::field::Field;
use super::{Lock, ResolvedName, resolved_from};
use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;

/// Field with the URL.
const FIELD: &str = "sums";

/// The field that `landfall lock` writes.
const CONFIRMED: &str = "confirmed";

/// The published checksums of a file.
#[derive(Debug, Clone)]
pub struct SumsFields {
    /// URL as written in the lock.
    pub written: Spanned<String>,
    /// URL of the checksum file.
    pub url: FileUrl,
    /// URL of the checksum file that stated the digest.
    pub confirmed: ResolvedName,
}

/// Reads the fields of a file in a lock.
pub(super) fn read(
    written: Option<Spanned<String>>,
    confirmed: ResolvedName,
    refuse: Refuse<'_>,
) -> Result<Option<SumsFields>> {
    let Some(written) = written else {
        return match confirmed {
            Some(_) => Err(refuse(CONFIRMED, format!("is about `{FIELD}`, which is missing: remove both or none"))),
            None => Ok(None),
        };
    };
    let url: FileUrl = written.value.parse().map_err(|error| refuse(FIELD, format!("{error}")))?;
    Ok(Some(SumsFields { written, url, confirmed }))
}

impl SumsFields {
    /// Returns true if the checksum file at this URL has stated the digest.
    pub fn is_confirmed(&self) -> bool {
        resolved_from(&self.confirmed) == Some(self.written.value.as_str())
    }

    /// Replacement that records the confirmation.
    pub(crate) fn record(&self, lock: &Lock) -> Option<Replacement> {
        let address = &self.written.value;
        match &self.confirmed {
            Some(confirmed) => Replacement::in_style(lock, confirmed, address),
            None => edit::insert_after(lock, &self.written, &[(CONFIRMED, address.clone())]),
        }
    }

    /// Clears the confirmation, as if a user had written `unresolved`.
    pub(crate) fn open(&mut self) {
        if let Some(confirmed) = &mut self.confirmed {
            confirmed.value = Field::Unresolved;
        }
    }

    /// Returns an error unless the digest of a file equals the stated one; `whose` names its source.
    pub(crate) fn must_state(&self, file: &FileUrl, stated: Sha256, (whose, digest): (&str, Sha256)) -> Result<()> {
        if stated == digest {
            return Ok(());
        }
        let what = format!("{} states {stated} for {file}, {whose} {digest}", self.url);
        Err(BuildError::new(codes::SUMS_DIFFER, what))
    }
}
