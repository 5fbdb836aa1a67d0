//! The head of the chain, whose hash covers everything before it.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A link of the chain: SHA-256, written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub(crate) [u8; 32]);

impl Hash {
    /// Predecessor hash of the first entry.
    pub const BEGIN: Self = Self([0; 32]);
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Hash {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 32];
        let is_canonical = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        (is_canonical && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(Self(bytes)).ok_or(())
    }
}

/// The last entry of a log: its number and its hash. Written `NUMBER:HASH`, also in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub number: i64,
    /// Hash of the last entry.
    pub hash: Hash,
}

impl Head {
    /// The head of a log without entries.
    pub const EMPTY: Self = Self { number: 0, hash: Hash::BEGIN };
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = ();

    /// Parses exactly the output of `Display`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, hash) = text.split_once(':').ok_or(())?;
        let head = Self { number: number.parse().map_err(|_| ())?, hash: hash.parse()? };
        (head.number >= 0 && head.to_string() == text).then_some(head).ok_or(())
    }
}

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| D::Error::custom("not an entry's number, a colon and a hash"))
    }
}
