//! Reader of a stream of objects: one object per line, and a last line with the listing of the saved objects.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};

use landfall_cluster::{ListedKind, ObjectName};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::OBJECTS;

/// Maximum length of a line in bytes: etcd accepts objects of at most some mebibytes.
const LONGEST_LINE: u64 = 64 << 20;

/// Listing of the saved objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listing {
    /// Number of saved objects of each kind.
    counts: BTreeMap<String, u64>,
    /// Reasons why other objects of a kind were left out.
    left_out: BTreeMap<String, BTreeSet<String>>,
    /// Reasons why the objects of a kind could not be listed.
    unreadable: BTreeMap<String, String>,
}

/// The last line of a stream.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LastLine {
    pub(super) landfall_listing: Listing,
}

impl Listing {
    pub(super) fn add(&mut self, listed: &ListedKind) {
        let kind = || listed.kind.clone();
        if !listed.objects.is_empty() {
            self.counts.insert(kind(), listed.objects.len() as u64);
        }
        if !listed.left_out.is_empty() {
            self.left_out.insert(kind(), listed.left_out.iter().map(|reason| (*reason).to_owned()).collect());
        }
        if let Some(why) = &listed.unreadable {
            self.unreadable.insert(kind(), why.clone());
        }
    }
}

/// Result of reading a stream back.
#[derive(Debug, Default)]
pub struct ReadObjects {
    counts: BTreeMap<String, u64>,
    listing: Option<Listing>,
}

impl ReadObjects {
    /// Returns the number of objects, and of kinds.
    pub(crate) fn totals(&self) -> (u64, usize) {
        (self.counts.values().sum(), self.counts.len())
    }

    /// Returns the kinds whose objects could not be listed when the backup was made.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.listing.iter().flat_map(|listing| listing.unreadable.keys().map(String::as_str))
    }

    /// Returns how the read objects differ from the listing, if they do.
    pub fn difference(&self) -> Option<String> {
        let Some(listing) = &self.listing else {
            return Some("the stream ends without saying what was listed".to_owned());
        };
        let kinds: BTreeSet<&String> = self.counts.keys().chain(listing.counts.keys()).collect();
        let count = |counts: &BTreeMap<String, u64>, kind: &str| counts.get(kind).copied().unwrap_or(0);
        let differing = kinds.into_iter().find_map(|kind| {
            let (read, listed) = (count(&self.counts, kind), count(&listing.counts, kind));
            (read != listed).then(|| format!("{read} of the kind {kind}, where {listed} were listed"))
        });
        differing.or_else(|| self.counts.is_empty().then(|| "no objects".to_owned()))
    }

    fn add(&mut self, line: Value, each: &mut dyn FnMut(Value) -> Result<(), StepError>) -> Result<(), StepError> {
        if self.listing.is_some() {
            return Err(damage_error("a line follows the last one"));
        }
        if line.get("landfallListing").is_some() {
            let last: LastLine =
                serde_json::from_value(line).map_err(|error| damage_error("its last line").because(error))?;
            self.listing = Some(last.landfall_listing);
            return Ok(());
        }
        let name = ObjectName::of(&line).map_err(|error| damage_error("a line is no object").because(error))?;
        *self.counts.entry(format!("{} {}", name.api_version, name.kind)).or_default() += 1;
        each(line)
    }
}

/// Reads all objects of a stream and passes each to `each`.
pub fn read_objects(
    from: impl Read,
    mut each: impl FnMut(Value) -> Result<(), StepError>,
) -> Result<ReadObjects, StepError> {
    let (mut from, mut read) = (BufReader::new(from), ReadObjects::default());
    loop {
        let mut line = Vec::new();
        let length = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        if length.map_err(|error| damage_error("it cannot be read to its end").because(error))? == 0 {
            return Ok(read);
        }
        let line = serde_json::from_slice(&line).map_err(|error| damage_error("a line is no JSON").because(error))?;
        read.add(line, &mut each)?;
    }
}

fn damage_error(what: &str) -> StepError {
    StepError::new(codes::BACKUP_DAMAGED, format!("the stream {OBJECTS}: {what}"))
}
