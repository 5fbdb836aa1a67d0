//! Selection of packs for the next round of a check. They follow the last one of the previous round, in the order of
//! their names.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use rustic_core::Id;

use super::blobs::DescribedPack;
use super::survey::Survey;
use crate::error::{BackupError, Result};
use crate::repository::Repository;

/// File with the name of the pack that was read last, relative to the repository's folder.
const FILE: &str = "landfall/read-until";

/// Number of rounds within which everything is read, whatever its size.
const ROUNDS: u64 = 7;

/// Returns the packs of the next round: all if they have no more than this many bytes, otherwise at least a seventh.
/// They count as read, durably, on return; an interrupted round is repeated only in the next cycle.
pub(super) fn next(
    repository: &Repository,
    survey: &Survey,
    mut packs: Vec<DescribedPack>,
    bytes: u64,
) -> Result<Vec<DescribedPack>> {
    let bytes = bytes.max(survey.bytes_of(&packs).div_ceil(ROUNDS));
    if survey.bytes_of(&packs) <= bytes {
        return Ok(packs);
    }
    let sizes: HashMap<Id, u32> = survey.packs.iter().copied().collect();
    let store = repository.store();
    let last: Option<Id> = match store.read(Path::new(FILE)) {
        Ok(text) => std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(BackupError::io("read", &store.place().join(FILE), error)),
    };
    let first = last.map_or(0, |last| packs.partition_point(|pack| pack.id <= last));
    packs.rotate_left(first);
    let (mut count, mut sum) = (0, 0);
    while count < packs.len() && (count == 0 || sum < bytes) {
        sum += sizes.get(&packs[count].id).map_or(0, |size| u64::from(*size));
        count += 1;
    }
    packs.truncate(count);
    if let Some(last) = packs.last() {
        store.write(Path::new(FILE), format!("{}\n", last.id.to_hex().as_str()).as_bytes())?;
    }
    Ok(packs)
}
