//! Metadata of a GGUF file: named values, most of which are skipped.

use std::collections::HashMap;
use std::io::Read;

use crate::bytes::BoundedReader;
use crate::error::HeaderError;
use crate::limits;

/// Type number of a text, and of an array.
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Maximum length of an array of numbers whose largest number is determined, such as heads by layer.
const NUMBERS: u64 = 1 << 12;

/// A value that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MetadataValue {
    Number(u64),
    Text(String),
    /// An array: its length, and its largest element if they are numbers and few.
    Array {
        count: u64,
        largest: Option<u64>,
    },
}

/// The kept values, by name.
#[derive(Debug, Default)]
pub struct Metadata(HashMap<String, MetadataValue>);

impl Metadata {
    /// Reads this many entries.
    pub fn read(header: &mut BoundedReader<impl Read>, entries: u64) -> Result<Self, HeaderError> {
        let mut found = HashMap::new();
        for _ in 0..entries {
            let length = header.u64()?;
            if length > limits::NAME_BYTES as u64 {
                return Err(HeaderError::Malformed(format!("a name has {length} bytes")));
            }
            let name = String::from_utf8_lossy(&header.bytes(length)?).into_owned();
            let kind = header.u32()?;
            if let Some(value) = value(header, kind)?
                && found.insert(name.clone(), value).is_some()
            {
                return Err(HeaderError::Twice(name));
            }
        }
        Ok(Self(found))
    }

    /// Returns a number; for an array of numbers, the largest.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            MetadataValue::Number(number) | MetadataValue::Array { largest: Some(number), .. } => Some(*number),
            MetadataValue::Text(_) | MetadataValue::Array { largest: None, .. } => None,
        }
    }

    /// Returns a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            MetadataValue::Text(text) => Some(text),
            MetadataValue::Number(_) | MetadataValue::Array { .. } => None,
        }
    }

    /// Returns the length of an array.
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            MetadataValue::Array { count, .. } => Some(*count),
            MetadataValue::Number(_) | MetadataValue::Text(_) => None,
        }
    }
}

/// Returns the size in bytes of a value of a type with a fixed size.
fn fixed_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Reads a value. Returns `None` for one that is never needed, such as a float or a long text.
fn value(header: &mut BoundedReader<impl Read>, kind: u32) -> Result<Option<MetadataValue>, HeaderError> {
    match kind {
        TEXT => text(header),
        ARRAY => array(header).map(Some),
        _ => Ok(number(header, kind)?.map(MetadataValue::Number)),
    }
}

/// Reads a number. Returns `None` for a negative one or a float.
fn number(header: &mut BoundedReader<impl Read>, kind: u32) -> Result<Option<u64>, HeaderError> {
    Ok(match kind {
        0 | 7 => Some(u64::from(header.array::<1>()?[0])),
        1 => u64::try_from(i8::from_le_bytes(header.array()?)).ok(),
        2 => Some(u64::from(u16::from_le_bytes(header.array()?))),
        3 => u64::try_from(i16::from_le_bytes(header.array()?)).ok(),
        4 => Some(u64::from(header.u32()?)),
        5 => u64::try_from(i32::from_le_bytes(header.array()?)).ok(),
        10 => Some(header.u64()?),
        11 => u64::try_from(i64::from_le_bytes(header.array()?)).ok(),
        6 | 12 => {
            header.skip(fixed_bytes(kind).unwrap_or_default())?;
            None
        }
        _ => return Err(unknown(kind)),
    })
}

fn unknown(kind: u32) -> HeaderError {
    HeaderError::Malformed(format!("a value of its metadata has the unknown type {kind}"))
}

fn text(header: &mut BoundedReader<impl Read>) -> Result<Option<MetadataValue>, HeaderError> {
    let length = header.u64()?;
    if length > limits::NAME_BYTES as u64 {
        header.skip(length)?;
        return Ok(None);
    }
    Ok(Some(MetadataValue::Text(String::from_utf8_lossy(&header.bytes(length)?).into_owned())))
}

fn array(header: &mut BoundedReader<impl Read>) -> Result<MetadataValue, HeaderError> {
    let (kind, count) = (header.u32()?, header.u64()?);
    let is_number = matches!(kind, 0..=5 | 10 | 11);
    if is_number && (1..=NUMBERS).contains(&count) {
        let mut largest = None;
        for _ in 0..count {
            largest = largest.max(number(header, kind)?);
        }
        return Ok(MetadataValue::Array { count, largest });
    }
    skip_elements(header, kind, count, 1)?;
    Ok(MetadataValue::Array { count, largest: None })
}

fn skip_elements(header: &mut BoundedReader<impl Read>, kind: u32, count: u64, depth: u32) -> Result<(), HeaderError> {
    if let Some(bytes) = fixed_bytes(kind) {
        return header.skip(count.saturating_mul(bytes));
    }
    if depth > limits::GGUF_NESTING {
        return Err(HeaderError::Malformed(format!("arrays are nested more than {} deep", limits::GGUF_NESTING)));
    }
    // Each element begins with its length, so a larger count is wrong.
    if count > header.remaining_bytes() / 8 {
        return Err(HeaderError::TooMany { what: "elements in an array", count, limit: header.remaining_bytes() / 8 });
    }
    for _ in 0..count {
        match kind {
            TEXT => {
                let length = header.u64()?;
                header.skip(length)?;
            }
            ARRAY => {
                let (kind, count) = (header.u32()?, header.u64()?);
                skip_elements(header, kind, count, depth + 1)?;
            }
            _ => return Err(unknown(kind)),
        }
    }
    Ok(())
}
