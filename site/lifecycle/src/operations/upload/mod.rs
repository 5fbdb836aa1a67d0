//! A bundle, or a delta of one, that arrives from a browser: what has arrived of it is judged as a look judges one on a stick, and its payload is checked piece by piece.
//!
//! Threats: a stranger may have written every byte. Nothing of the payload is read before the head was verified by the root that the site
//! trusts, and the head is read within the limits of the format. Whoever serves the API leaves this to a process of its own.

use std::path::Path;

use landfall_bundle_spec::{Error as FormatError, Sha256};
use landfall_error_codes::{Coded as _, ExitClass};
use landfall_media::verify::verify_arrived;
use landfall_media::{MediaError, Payload};

use super::Operations;
use super::error::{OperationError, Result};
use super::history::Past;
use super::medium::{FoundRelease, Judged};
use crate::uploads::UploadUse;

/// What has arrived of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct ArrivedBundle<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Bytes that an earlier check has passed; 0 before the first one.
    pub checked_bytes: u64,
    /// Bytes of the whole bundle, or of a delta of it, as its sender has announced them.
    pub size_bytes: u64,
}

/// What a check of it came to.
#[derive(Debug, Default)]
pub struct CheckedBundle {
    /// Bytes that match what the vendor signed. All that has arrived, where only a newer Landfall can read the bundle: that one checks it.
    pub checked_bytes: u64,
    /// Id of the bundle, once its signatures were verified.
    pub bundle: Option<Sha256>,
    /// The release, once verified.
    pub release: Option<FoundRelease>,
    /// Why nothing of it can be used; none while nothing is wrong with it.
    pub refusal: Option<OperationError>,
}

impl Operations {
    /// Judges what has arrived of a bundle, and checks what of its payload is new. An error says nothing of the bundle: the check itself failed.
    /// Changes nothing.
    pub fn check_upload(&self, arrived: &ArrivedBundle<'_>) -> Result<CheckedBundle> {
        let metadata =
            fs_err::metadata(arrived.path).map_err(|error| OperationError::io("look at", arrived.path, error))?;
        let is_whole = metadata.len() >= arrived.size_bytes;
        match self.judge(arrived.path) {
            Ok(judged) => check(arrived, metadata.len(), judged),
            // The rest of the head is on its way.
            Err(error) if is_cut_off(&error) && !is_whole => Ok(CheckedBundle::default()),
            Err(error) => verdict(error).map(CheckedBundle::refused),
        }
    }

    /// Whether an upload fits what the site does: its file, and the id of its bundle once that is known.
    pub fn upload_use(&self, path: &Path, bundle: Option<Sha256>) -> Result<UploadUse> {
        if self.media_of_open_change()?.is_some_and(|open| open == path) {
            return Ok(UploadUse::Open);
        }
        let history = self.history()?;
        let installed = history.committed().and_then(Past::pins).map(|pins| pins.bundle);
        Ok(if bundle.is_some() && bundle == installed { UploadUse::Over } else { UploadUse::None })
    }
}

impl CheckedBundle {
    fn refused(refusal: OperationError) -> Self {
        Self { refusal: Some(refusal), ..Self::default() }
    }
}

/// Whether a head ends before it is whole.
fn is_cut_off(error: &OperationError) -> bool {
    matches!(error, OperationError::Refused { source, .. } if matches!(**source, FormatError::Truncated { .. }))
}

/// An error that is about the bundle; another one is returned as such.
fn verdict(error: OperationError) -> Result<OperationError> {
    if error.code().class == ExitClass::Refused { Ok(error) } else { Err(error) }
}

fn check(arrived: &ArrivedBundle<'_>, length: u64, judged: Judged) -> Result<CheckedBundle> {
    let Judged { mut found, bundle, payload } = judged;
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

/// Refuses a bundle that is announced as longer than it is. A shorter one may be a delta, which shows once all of it has arrived.
fn check_length(arrived: &ArrivedBundle<'_>, payload: &Payload) -> Result<()> {
    let total = payload.layout().total_bytes();
    match arrived.size_bytes.checked_sub(total) {
        None | Some(0) => Ok(()),
        Some(surplus) => Err(MediaError::SurplusData { path: arrived.path.to_owned(), surplus }.into()),
    }
}

#[cfg(test)]
mod tests;
