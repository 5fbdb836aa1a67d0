//! The header of a safetensors file: eight bytes with its length, then JSON with type, shape and place of each tensor.
//!
//! Threats: the length, the places and the shapes are unverified claims. So the length is limited before anything is
//! read. The JSON is read as a stream with limited texts and numbers, and only the name and the place of each tensor
//! are kept. Types and shapes must yield the size of the place. The places must fill the data of the file, without
//! overlaps or holes, as the format prescribes. The data itself is never read. The `safetensors` crate is not used,
//! because it needs the whole header in memory, up to 100 MB.

mod guard;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::error::HeaderError;
use crate::limits;
use crate::names::shorten;
use crate::weights::{OTHER_TYPE, Weights, unknown_type};
use guard::Guard;

/// Name in the header that is not a tensor.
const METADATA: &str = "__metadata__";

/// Number of bytes that hold the length of the header.
const LENGTH_BYTES: usize = 8;

/// Bits of a number, by type.
const TYPES: [(&str, u64); 22] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("F64", 64),
    ("I64", 64),
    ("U64", 64),
    ("C64", 64),
];

/// The tensors of a safetensors file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafetensorsHeader {
    /// Size of the tensors, by type.
    pub weights: Weights,
    /// Reason why a model with this file has no figures: a tensor has an unknown type.
    pub unknown: Option<String>,
}

/// Reads the header of a file of `file_bytes` bytes from its beginning, and returns the sizes of its tensors.
pub fn read(mut file: impl Read, file_bytes: u64) -> Result<SafetensorsHeader, HeaderError> {
    let mut length = [0; LENGTH_BYTES];
    file.read_exact(&mut length)?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > limits::SAFETENSORS_HEADER_BYTES {
        return Err(HeaderError::TooLong { bytes: header_bytes, limit: limits::SAFETENSORS_HEADER_BYTES });
    }
    let data_at = LENGTH_BYTES as u64 + header_bytes;
    let data_bytes = file_bytes.checked_sub(data_at).ok_or(HeaderError::BeyondFile { claimed: data_at, file_bytes })?;
    let mut found = HeaderParts::default();
    let mut guard = Guard::new(file.take(header_bytes));
    let mut json = serde_json::Deserializer::from_reader(std::io::BufReader::new(&mut guard));
    let read = Tensors(&mut found).deserialize(&mut json).and_then(|()| json.end());
    let refusal = found.refusal.take().or_else(|| guard.refusal().map(HeaderError::Malformed));
    match (refusal, read) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(error)) => Err(HeaderError::Json(error)),
        (None, Ok(())) => found.check(data_bytes),
    }
}

/// The results so far.
#[derive(Default)]
struct HeaderParts {
    header: SafetensorsHeader,
    /// Begin and end of each tensor in the data.
    places: HashMap<String, (u64, u64)>,
    /// Reason why reading stopped; it is kept here because the deserializer can carry only its own errors.
    refusal: Option<HeaderError>,
}

impl HeaderParts {
    fn add(&mut self, name: String, tensor: &Tensor) -> Result<(), HeaderError> {
        let (begin, end) = tensor.data_offsets;
        let bits = TYPES.iter().find(|(kind, _)| *kind == tensor.dtype).map(|(_, bits)| *bits);
        let Some(bits) = bits else {
            let Some(given) = end.checked_sub(begin) else {
                return Err(HeaderError::Uncountable { tensor: shorten(&name) });
            };
            self.header.unknown.get_or_insert_with(|| unknown_type(&name, &tensor.dtype));
            return self.place(name, OTHER_TYPE, (begin, end), given);
        };
        let total_bits = tensor.shape.0.and_then(|numbers| numbers.checked_mul(bits));
        let Some(total_bits) = total_bits.filter(|bits| bits % 8 == 0) else {
            return Err(HeaderError::Uncountable { tensor: shorten(&name) });
        };
        let (needed, given) = (total_bits / 8, end.checked_sub(begin));
        if given != Some(needed) {
            let given = given.unwrap_or_default();
            return Err(HeaderError::WrongSize { tensor: shorten(&name), needed, given });
        }
        self.place(name, &tensor.dtype, (begin, end), needed)
    }

    fn place(&mut self, name: String, kind: &str, at: (u64, u64), bytes: u64) -> Result<(), HeaderError> {
        let count = self.places.len() as u64 + 1;
        if count > limits::TENSORS {
            return Err(HeaderError::TooMany { what: "tensors", count, limit: limits::TENSORS });
        }
        self.header.weights.add(kind, bytes);
        match self.places.entry(name) {
            Entry::Occupied(entry) => Err(HeaderError::Twice(shorten(entry.key()))),
            Entry::Vacant(entry) => {
                entry.insert(at);
                Ok(())
            }
        }
    }

    /// Checks that the tensors fill the data: each begins where the previous one ends.
    fn check(self, data_bytes: u64) -> Result<SafetensorsHeader, HeaderError> {
        let mut places: Vec<_> = self.places.iter().map(|(name, (begin, end))| (*begin, *end, name.as_str())).collect();
        places.sort_unstable();
        let (mut at, mut before) = (0, "");
        for (begin, end, name) in places {
            if begin < at {
                return Err(HeaderError::Overlap { first: shorten(before), second: shorten(name) });
            }
            if begin > at {
                return Err(HeaderError::Hole { bytes: begin - at });
            }
            (at, before) = (end, name);
        }
        if at > data_bytes {
            return Err(HeaderError::BeyondFile { claimed: at, file_bytes: data_bytes });
        }
        if at < data_bytes {
            return Err(HeaderError::Hole { bytes: data_bytes - at });
        }
        Ok(self.header)
    }
}

/// A visitor of the header as a stream of tensors.
struct Tensors<'a>(&'a mut HeaderParts);

impl<'de> DeserializeSeed<'de> for Tensors<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tensors<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut tensors: A) -> Result<(), A::Error> {
        let mut metadata = 0;
        while let Some(name) = tensors.next_key::<String>()? {
            let added = if name == METADATA {
                metadata += 1;
                tensors.next_value::<IgnoredAny>()?;
                if metadata > 1 { Err(HeaderError::Twice(name)) } else { Ok(()) }
            } else if name.len() > limits::NAME_BYTES {
                Err(HeaderError::Malformed(format!("a name has {} bytes", name.len())))
            } else {
                let tensor = tensors.next_value::<Tensor>()?;
                self.0.add(name, &tensor)
            };
            if let Err(refusal) = added {
                self.0.refusal = Some(refusal);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// A tensor in the header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    dtype: String,
    shape: Numbers,
    data_offsets: (u64, u64),
}

/// Number of elements of a shape; `None` if it exceeds 64 bits. The dimensions themselves are not kept.
struct Numbers(Option<u64>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at most {} dimensions", limits::DIMENSIONS)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut dimensions: A) -> Result<Numbers, A::Error> {
        let (mut numbers, mut count, mut is_empty) = (Some(1_u64), 0, false);
        while let Some(dimension) = dimensions.next_element::<u64>()? {
            count += 1;
            if count > limits::DIMENSIONS {
                return Err(de::Error::invalid_length(count, &self));
            }
            is_empty |= dimension == 0;
            numbers = numbers.and_then(|numbers| numbers.checked_mul(dimension));
        }
        Ok(Numbers(if is_empty { Some(0) } else { numbers }))
    }
}

#[cfg(test)]
mod tests;
