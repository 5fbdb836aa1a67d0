//! Records of accepted content in the store. Blobs of accepted content stay even if they are also part of refused
//! content.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::CodedError as _;
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};

use crate::error::{BuildError, Result};
use crate::record;

const RECORD_TYPE: &str = "landfall.dev/accepted/1";

/// Folder with the records of accepted content.
const ACCEPTED: &str = "accepted";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    blobs: BTreeSet<Sha256>,
}

/// Deletes the blobs of a chart that an error refuses; returns the error with the outcome. For errors of rendering or
/// opening.
pub fn after_chart(store: &ContentStore, blobs: &BTreeSet<Sha256>, error: BuildError) -> BuildError {
    let forgotten = error.refused_reference().map(|_| forget_unaccepted(store, blobs.clone()));
    with_outcome(error, forgotten)
}

/// Records content with its blobs as accepted, unless it has a record. The record is synced.
pub fn accept_blobs(store: &ContentStore, name: Sha256, blobs: impl FnOnce() -> BTreeSet<Sha256>) -> Result<()> {
    let path = record::path(store, ACCEPTED, name);
    if path.exists() {
        return Ok(());
    }
    let record = Record { document_type: RECORD_TYPE.to_owned(), blobs: blobs() };
    record::write(&path, &record, "the record of what was accepted")
}

/// Deletes blobs, except those of accepted content.
pub fn forget_unaccepted(store: &ContentStore, mut blobs: BTreeSet<Sha256>) -> Result<()> {
    let records: Vec<Record> = record::all(store, ACCEPTED)?;
    for blob in records.iter().flat_map(|record| &record.blobs) {
        blobs.remove(blob);
    }
    store.forget(&blobs)?;
    blobs.iter().try_for_each(|blob| record::forget(store, *blob))
}

/// Adds to the error that refused content could not be deleted.
pub fn with_outcome(error: BuildError, forgotten: Option<Result<()>>) -> BuildError {
    let Some(Err(failed)) = forgotten else { return error };
    let fix = error.code().fix;
    error.hint(format!("{fix} Its content is still in the store, from which it could not be removed: {failed}."))
}
