//! Fields of a lock that may be `unresolved`.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use landfall_bundle_spec::Sha256;
use serde::{Deserialize, Deserializer, de};

/// Value of a field until `landfall lock` has run.
const UNRESOLVED: &str = "unresolved";

/// Value of the field `index` for a manifest that upstream publishes without an index.
const NONE: &str = "none";

/// A value, or `unresolved`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field<T> {
    /// Unknown until `landfall lock` has run.
    Unresolved,
    /// The resolved value.
    Known(T),
}

impl<T> Field<T> {
    /// The value, if it is resolved.
    pub fn as_known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unresolved => None,
        }
    }
}

/// The digest of upstream's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexField {
    /// Unknown until `landfall lock` has run.
    Unresolved,
    /// Upstream has no index: its tag names the platform manifest itself.
    None,
    /// Digest of the index.
    Known(Sha256),
}

struct FieldVisitor<T>(PhantomData<T>);

impl<T: FromStr> de::Visitor<'_> for FieldVisitor<T>
where
    T::Err: fmt::Display,
{
    type Value = Field<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value or `unresolved`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == UNRESOLVED {
            return Ok(Field::Unresolved);
        }
        text.parse().map(Field::Known).map_err(|error| E::custom(format!("neither `unresolved` nor a value: {error}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Field<T>
where
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for IndexField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            UNRESOLVED => Ok(Self::Unresolved),
            NONE => Ok(Self::None),
            digest => digest.parse().map(Self::Known).map_err(de::Error::custom),
        }
    }
}
