//! Versions in NVIDIA's format, compared by number. In JSON they are strings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Maximum number of digits of one number in a version: enough for any version, too few to overflow.
const DIGITS_LIMIT: usize = 6;

/// The text is not a version of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct NotAVersion {
    text: String,
    wanted: &'static str,
}

/// Parses one number: only digits, and few of them.
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.len() <= DIGITS_LIMIT && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// A version of NVIDIA's driver: branch, release and patch, such as `580.159.04`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriverVersion {
    numbers: [u32; 3],
    text: String,
}

impl DriverVersion {
    /// Branch of the version: 580 in `580.159.04`.
    pub fn branch(&self) -> u32 {
        self.numbers[0]
    }

    /// Returns true if this version is `branch.release.patch` or newer.
    pub fn is_at_least(&self, numbers: [u32; 3]) -> bool {
        self.numbers >= numbers
    }
}

impl PartialOrd for DriverVersion {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DriverVersion {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.numbers, &self.text).cmp(&(other.numbers, &other.text))
    }
}

impl FromStr for DriverVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let refused = || NotAVersion { text: text.to_owned(), wanted: "a driver version such as 580.159.04" };
        let mut parts = text.split('.');
        let branch = parts.next().and_then(number).ok_or_else(refused)?;
        let release = parts.next().and_then(number).ok_or_else(refused)?;
        let patch = parts.next().map_or(Some(0), number).ok_or_else(refused)?;
        if parts.next().is_some() {
            return Err(refused());
        }
        Ok(Self { numbers: [branch, release, patch], text: text.to_owned() })
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Defines a type for two numbers separated by a period.
macro_rules! two_numbers {
    ($(#[$doc:meta])* $name:ident, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name {
            /// Number before the period.
            pub major: u32,
            /// Number after the period.
            pub minor: u32,
        }

        impl $name {
            /// Creates it from its two numbers.
            pub const fn new(major: u32, minor: u32) -> Self {
                Self { major, minor }
            }
        }

        impl FromStr for $name {
            type Err = NotAVersion;

            fn from_str(text: &str) -> Result<Self, NotAVersion> {
                text.split_once('.')
                    .and_then(|(major, minor)| Some(Self { major: number(major)?, minor: number(minor)? }))
                    .ok_or_else(|| NotAVersion { text: text.to_owned(), wanted: $wanted })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}.{}", self.major, self.minor)
            }
        }
    };
}

two_numbers!(
    /// A version of CUDA, such as `13.0`.
    CudaVersion,
    "a CUDA version such as 13.0"
);
two_numbers!(
    /// The compute capability of a device, such as `9.0`; the major number identifies the instruction set.
    ComputeCapability,
    "a compute capability such as 9.0"
);

/// Makes types strings in JSON, through `FromStr` and `Display`.
macro_rules! as_string {
    ($($name:ident),*) => {
        $(
            impl TryFrom<String> for $name {
                type Error = NotAVersion;

                fn try_from(text: String) -> Result<Self, NotAVersion> {
                    text.parse()
                }
            }

            impl From<$name> for String {
                fn from(version: $name) -> Self {
                    version.to_string()
                }
            }
        )*
    };
}

as_string!(DriverVersion, CudaVersion, ComputeCapability);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_versions_compare_numerically() {
        let read = |text: &str| text.parse::<DriverVersion>().expect(text);
        assert!(read("580.159.04") > read("580.95.05"), "159 is more than 95");
        assert!(read("1000.1") > read("580.159.04"));
        assert!(read("455.32") < read("455.32.01"));
        assert_eq!(read("580.159.04").to_string(), "580.159.04");
        assert_eq!(read("535.104.05").branch(), 535);
    }

    #[test]
    fn malformed_versions_are_refused() {
        for text in ["", "580", "580.", "580.1.2.3", "580.x", "+580.1", "580. 1", "9999999.1", "580..1"] {
            assert!(text.parse::<DriverVersion>().is_err(), "{text:?}");
        }
        for text in ["", "13", "13.", ".0", "13.0.1", "-1.0"] {
            assert!(text.parse::<CudaVersion>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn compute_capabilities_are_ordered() {
        assert!(ComputeCapability::new(8, 9) < ComputeCapability::new(9, 0));
        assert!(ComputeCapability::new(12, 0) > ComputeCapability::new(9, 0));
    }
}
