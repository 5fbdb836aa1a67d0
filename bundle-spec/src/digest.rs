//! The two digests of a blob: SHA-256 is its OCI name, and chunks are checked against BLAKE3.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text is not a digest of the expected algorithm in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest of the form {prefix}:<64 lower-case hexadecimal digits>")]
pub struct InvalidDigest {
    prefix: &'static str,
    text: String,
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Returns the 64 hexadecimal digits, without the algorithm.
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }

            /// Reads 64 lower-case hexadecimal digits without the algorithm.
            pub fn from_hex(text: &str) -> Result<Self, InvalidDigest> {
                let invalid = || InvalidDigest { prefix: $prefix, text: text.to_owned() };
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(invalid());
                }
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| invalid())?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}:{}", $prefix, self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                let rest = text
                    .strip_prefix($prefix)
                    .and_then(|rest| rest.strip_prefix(':'))
                    .ok_or_else(|| InvalidDigest { prefix: $prefix, text: text.to_owned() })?;
                Self::from_hex(rest)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest_type!(
    /// SHA-256 of a blob, written `sha256:…`; its name in OCI layouts, registries and the store.
    Sha256,
    "sha256"
);
impl Sha256 {
    /// SHA-256 of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(<sha2::Sha256 as sha2::Digest>::digest(bytes).into())
    }
}

digest_type!(
    /// Plain BLAKE3 of a blob, written `blake3:…`, as printed by `b3sum`; the root of its chunks.
    Blake3,
    "blake3"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_text_round_trips() {
        let digest = Sha256([0xab; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "sha256:", "sha256:AB", "blake3:00", &digest.to_string().to_uppercase(), &format!("{digest}0")]
        {
            assert!(bad.parse::<Sha256>().is_err(), "{bad}");
        }
    }
}
