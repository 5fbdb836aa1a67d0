//! The header of a GGUF file: counts, metadata, and type, shape and place of each tensor.
//!
//! Threats: every count, length and place is an unverified claim. So the header is read as a stream up to a limit. Each
//! element takes at least one byte of it, so no count makes a loop longer than the file. Only numbers and short texts
//! are kept, and vocabularies are skipped. Types and shapes yield sizes, which must neither overlap nor exceed the
//! file. The data itself is never read.

mod figures;
mod metadata;
mod types;

use std::io::Read;

use crate::architecture::Architecture;
use crate::bytes::BoundedReader;
use crate::error::HeaderError;
use crate::limits;
use crate::names::shorten;
use crate::weights::{OTHER_TYPE, Weights, unknown_type};
use metadata::Metadata;
use types::TensorType;

const MAGIC: [u8; 4] = *b"GGUF";

/// Alignment of tensors in bytes, unless the metadata specifies another.
const ALIGNMENT: u64 = 32;

/// The description of a model in a GGUF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufHeader {
    /// Size of the tensors, by type.
    pub weights: Weights,
    /// Figures of the model, or the reason why they are unknown: parts after the first have none.
    pub figures: Result<Architecture, String>,
    /// Reason why a model with this file has no figures: a tensor has an unknown type.
    pub unknown: Option<String>,
}

/// Reads the header of a file of `file_bytes` bytes from its beginning.
pub fn read(file: impl Read, file_bytes: u64) -> Result<GgufHeader, HeaderError> {
    let mut header = BoundedReader::new(file, limits::GGUF_HEADER_BYTES);
    if header.array()? != MAGIC || ![2, 3].contains(&header.u32()?) {
        return Err(HeaderError::NotGguf);
    }
    let tensors = at_most("tensors", header.u64()?, limits::TENSORS)?;
    let entries = at_most("metadata entries", header.u64()?, limits::GGUF_ENTRIES)?;
    let metadata = Metadata::read(&mut header, entries)?;
    let mut places = Vec::new();
    for _ in 0..tensors {
        places.push(Place::read(&mut header)?);
    }
    let alignment = metadata.number("general.alignment").unwrap_or(ALIGNMENT);
    if !alignment.is_power_of_two() || alignment > limits::GGUF_HEADER_BYTES {
        return Err(HeaderError::Malformed(format!("tensors are aligned to {alignment} bytes")));
    }
    let weights = check(&mut places, header.position().next_multiple_of(alignment), alignment, file_bytes)?;
    let unknown = places.iter().find_map(|place| {
        let kind = place.size.as_ref().err()?;
        Some(unknown_type(&place.name, &kind.to_string()))
    });
    let figures = figures::figures(&metadata, &weights);
    Ok(GgufHeader { weights, figures, unknown })
}

fn at_most(what: &'static str, count: u64, limit: u64) -> Result<u64, HeaderError> {
    if count > limit { Err(HeaderError::TooMany { what, count, limit }) } else { Ok(count) }
}

/// The place of a tensor in the data.
struct Place {
    begin: u64,
    /// Its type and size in bytes, or the number of an unknown type.
    size: Result<(&'static str, u64), u32>,
    name: String,
}

impl Place {
    /// Reads the description of one tensor.
    fn read(header: &mut BoundedReader<impl Read>) -> Result<Self, HeaderError> {
        let length = header.u64()?;
        if length > limits::NAME_BYTES as u64 {
            return Err(HeaderError::Malformed(format!("a name has {length} bytes")));
        }
        let name = String::from_utf8_lossy(&header.bytes(length)?).into_owned();
        let dimensions = at_most("dimensions", u64::from(header.u32()?), limits::DIMENSIONS as u64)?;
        let shape = (0..dimensions).map(|_| header.u64()).collect::<Result<Vec<_>, _>>()?;
        let (kind, begin) = (header.u32()?, header.u64()?);
        let size = match TensorType::of(kind) {
            Some(kind) => match kind.bytes(&shape) {
                Some(bytes) => Ok((kind.name, bytes)),
                None => return Err(HeaderError::Uncountable { tensor: shorten(&name) }),
            },
            None => Err(kind),
        };
        Ok(Self { begin, size, name })
    }
}

/// Checks that tensors begin at aligned places, follow one another, and end within the file. Returns their sizes; a
/// tensor of an unknown type ends where the next one begins.
fn check(places: &mut [Place], data_at: u64, alignment: u64, file_bytes: u64) -> Result<Weights, HeaderError> {
    places.sort_unstable_by_key(|place| (place.begin, place.size.map_or(u64::MAX, |(_, bytes)| bytes)));
    let ends = places.iter().skip(1).map(|place| place.begin).chain([file_bytes.saturating_sub(data_at)]);
    let mut weights = Weights::default();
    let (mut at, mut before) = (0, "");
    for (Place { begin, size, name }, next) in places.iter().zip(ends) {
        let (kind, bytes) = size.unwrap_or((OTHER_TYPE, next.saturating_sub(*begin)));
        weights.add(kind, bytes);
        if !begin.is_multiple_of(alignment) {
            let what =
                format!("the tensor {:?} begins at {begin}, which is not a multiple of {alignment}", shorten(name));
            return Err(HeaderError::Malformed(what));
        }
        if *begin < at {
            return Err(HeaderError::Overlap { first: shorten(before), second: shorten(name) });
        }
        let end = begin.checked_add(bytes).ok_or_else(|| HeaderError::Uncountable { tensor: shorten(name) })?;
        (at, before) = (end, name);
    }
    let claimed = data_at.saturating_add(at);
    if !places.is_empty() && claimed > file_bytes {
        return Err(HeaderError::BeyondFile { claimed, file_bytes });
    }
    Ok(weights)
}

#[cfg(test)]
mod tests;
