//! A bundle or delta that arrives from a browser. The arrived part is judged like a bundle on a stick, and its payload
//! is checked piece by piece.
//!
//! Threats: an attacker may have written every byte. The payload is read only after the site's trusted root has
//! verified the head, and the head is read within the limits of the format. The server of the API runs this in a
//! separate process.

use std::path::Path;

use landfall_bundle_spec::{Error as FormatError, Sha256};
use landfall_error_codes::{CodedError as _, ExitClass};
use landfall_media::verify::verify_arrived;
use landfall_media::{MediaError, Payload};

use super::Operations;
use super::error::{OperationError, Result};
use super::medium::{ExaminedBundle, FoundRelease};
use super::past::JournaledOperation;
use landfall_site::uploads::{ArrivedBundle, UploadUse};

/// Result of a check.
#[derive(Debug, Default)]
pub struct CheckedBundle {
    /// Bytes that match the vendor's signed values. All arrived bytes, if only a newer Landfall can read and check the
    /// bundle.
    pub checked_bytes: u64,
    /// ID of the bundle, after its signatures were verified.
    pub bundle: Option<Sha256>,
    /// The release, after verification.
    pub release: Option<FoundRelease>,
    /// Reason why the bundle cannot be used, if any.
    pub refusal: Option<OperationError>,
}

impl Operations {
    /// Judges the arrived part of a bundle, and checks the new part of its payload. An error means that the check
    /// itself failed, not the bundle. Changes nothing.
    pub fn check_upload(&self, arrived: &ArrivedBundle<'_>) -> Result<CheckedBundle> {
        let metadata =
            fs_err::metadata(arrived.path).map_err(|error| OperationError::io("look at", arrived.path, error))?;
        let is_whole = metadata.len() >= arrived.size_bytes;
        match self.judge(arrived.path) {
            Ok(judged) => check(arrived, metadata.len(), judged),
            // The rest of the head has not arrived yet.
            Err(error) if is_cut_off(&error) && !is_whole => Ok(CheckedBundle::default()),
            Err(error) => verdict(error).map(CheckedBundle::from_refusal),
        }
    }

    /// Returns the use of an upload by the site, given its file, and the ID of its bundle if known.
    pub fn upload_use(&self, path: &Path, bundle: Option<Sha256>) -> Result<UploadUse> {
        if self.media_of_open_change()?.is_some_and(|open| open == path) {
            return Ok(UploadUse::Open);
        }
        let history = self.history()?;
        let installed = history.last_committed().and_then(JournaledOperation::pins).map(|pins| pins.bundle);
        Ok(if bundle.is_some() && bundle == installed { UploadUse::Over } else { UploadUse::None })
    }
}

impl CheckedBundle {
    fn from_refusal(refusal: OperationError) -> Self {
        Self { refusal: Some(refusal), ..Self::default() }
    }
}

/// Returns true if a head is incomplete.
fn is_cut_off(error: &OperationError) -> bool {
    matches!(error, OperationError::Refused { source, .. } if matches!(**source, FormatError::Truncated { .. }))
}

/// Returns the error if it is about the bundle; fails with it otherwise.
fn verdict(error: OperationError) -> Result<OperationError> {
    if error.code().class == ExitClass::Refused { Ok(error) } else { Err(error) }
}

fn check(arrived: &ArrivedBundle<'_>, length: u64, judged: ExaminedBundle) -> Result<CheckedBundle> {
    let ExaminedBundle { mut found, bundle, payload } = judged;
    let refusal = match (found.refusal.take(), &payload) {
        (Some(refusal), _) => Some(refusal),
        (None, Some(payload)) => check_length(arrived, payload).err(),
        (None, None) => None,
    };
    let mut checked = CheckedBundle { checked_bytes: length, bundle: Some(bundle), release: Some(found), refusal };
    let Some(payload) = payload.filter(|_| checked.refusal.is_none()) else { return Ok(checked) };
    match verify_arrived(&payload, arrived.path, arrived.size_bytes, arrived.checked_bytes) {
        Ok(bytes) => checked.checked_bytes = bytes,
        Err(error) => checked.refusal = Some(verdict(error.into())?),
    }
    Ok(checked)
}

/// Fails if a bundle is announced as longer than it is. A shorter one may be a delta, which is known only after it has
/// arrived.
fn check_length(arrived: &ArrivedBundle<'_>, payload: &Payload) -> Result<()> {
    let total = payload.layout().total_bytes();
    match arrived.size_bytes.checked_sub(total) {
        None | Some(0) => Ok(()),
        Some(surplus) => Err(MediaError::SurplusData { path: arrived.path.to_owned(), surplus }.into()),
    }
}

#[cfg(test)]
mod tests;
