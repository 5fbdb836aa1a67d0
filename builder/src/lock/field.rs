//! Fields of a lock that may be `unresolved`.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use landfall_bundle_spec::Sha256;
use serde::{Deserialize, Deserializer, de};

/// What a field says until `landfall lock` has run.
const UNRESOLVED: &str = "unresolved";

/// What the index field says of a manifest that upstream keeps without an index.
const NONE: &str = "none";

/// A value, or `unresolved`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field<T> {
    /// Not known yet.
    Unresolved,
    /// Known.
    Known(T),
}

impl<T> Field<T> {
    /// The value, where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unresolved => None,
        }
    }
}

/// The digest of upstream's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexField {
    /// Not known yet.
    Unresolved,
    /// Upstream has none: its tag names the platform manifest itself.
    None,
    /// Its digest.
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
