//! Headers of invented models: the bytes before the data, and the size of a file that has the data.

use std::fmt::Write as _;

/// Returns a safetensors file with these consecutive tensors (name, type, shape, bytes).
pub fn safetensors(tensors: &[(&str, &str, &[u64], u64)]) -> (Vec<u8>, u64) {
    let (mut json, mut at) = ("{\"__metadata__\":{\"format\":\"pt\"}".to_owned(), 0);
    for (name, kind, shape, bytes) in tensors {
        let end = at + bytes;
        let _infallible =
            write!(json, ",\"{name}\":{{\"dtype\":\"{kind}\",\"shape\":{shape:?},\"data_offsets\":[{at},{end}]}}");
        at = end;
    }
    json.push('}');
    let header = with_length(json.as_bytes());
    let file_bytes = header.len() as u64 + at;
    (header, file_bytes)
}

/// Returns a safetensors header, preceded by its length.
pub fn with_length(json: &[u8]) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json].concat()
}

/// A value of GGUF metadata.
#[derive(Debug, Clone)]
pub enum GgufValue {
    /// A number of four bytes without a sign.
    U32(u32),
    /// A text.
    Text(String),
    /// An array of numbers.
    Numbers(Vec<u32>),
    /// An array of texts.
    Texts(Vec<String>),
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Returns a GGUF file with this metadata and these consecutive tensors (name, number of the type, shape, bytes).
pub fn gguf(metadata: &[(&str, GgufValue)], tensors: &[(&str, u32, &[u64], u64)]) -> (Vec<u8>, u64) {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut bytes, key);
        match value {
            GgufValue::U32(number) => {
                bytes.extend(4_u32.to_le_bytes());
                bytes.extend(number.to_le_bytes());
            }
            GgufValue::Text(value) => {
                bytes.extend(8_u32.to_le_bytes());
                text(&mut bytes, value);
            }
            GgufValue::Numbers(numbers) => {
                bytes.extend(9_u32.to_le_bytes());
                bytes.extend(4_u32.to_le_bytes());
                bytes.extend((numbers.len() as u64).to_le_bytes());
                bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
            GgufValue::Texts(texts) => {
                bytes.extend(9_u32.to_le_bytes());
                bytes.extend(8_u32.to_le_bytes());
                bytes.extend((texts.len() as u64).to_le_bytes());
                for one in texts {
                    text(&mut bytes, one);
                }
            }
        }
    }
    let mut at: u64 = 0;
    for (name, kind, shape, size) in tensors {
        text(&mut bytes, name);
        bytes.extend(u32::try_from(shape.len()).unwrap_or(u32::MAX).to_le_bytes());
        shape.iter().for_each(|dimension| bytes.extend(dimension.to_le_bytes()));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(at.to_le_bytes());
        at = (at + size).next_multiple_of(32);
    }
    let file_bytes = (bytes.len() as u64).next_multiple_of(32) + at;
    (bytes, file_bytes)
}
