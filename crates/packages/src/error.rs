//! Errors about a set of wheels.

use landfall_error_codes::{Code, CodedError, codes};

use crate::limits;

/// The reason why an index cannot serve wheels, with the file.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A wheel cannot be used.
    #[error("the wheel {file} cannot be served")]
    Wheel {
        /// Path of the wheel in its artifact.
        file: String,
        /// The fault of the wheel.
        #[source]
        source: WheelFault,
    },
    /// There are no wheels.
    #[error("there are no wheels to serve")]
    Empty,
    /// Two wheels would have the same address.
    #[error("{first} and {second} are two wheels of one file name")]
    Twice {
        /// Path of one wheel.
        first: String,
        /// Path of the other wheel.
        second: String,
    },
    /// The list is too large for a bundle.
    #[error("the list of {wheels} wheels has {bytes} bytes, and at most {} can travel", limits::LIST_BYTES)]
    TooMany {
        /// Number of wheels.
        wheels: usize,
        /// Bytes of the list.
        bytes: usize,
    },
    /// A list of wheels is not in the form that `landfall build` writes.
    #[error("the list of wheels cannot be used: {0}")]
    List(String),
    /// The list cannot be read or written as a document.
    #[error("the list of wheels is not a document")]
    Document(#[from] landfall_bundle_spec::Error),
}

/// The reason why a wheel cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WheelFault {
    /// Its file name is not that of a wheel.
    #[error("its file name is not a wheel's: {0}")]
    FileName(&'static str),
    /// Its archive cannot be read.
    #[error("its archive cannot be read")]
    Archive(#[from] rawzip::Error),
    /// Its archive is larger than any real one.
    #[error("its archive has {what}")]
    ArchiveTooLarge {
        /// The excessive quantity, in words.
        what: String,
    },
    /// `METADATA` cannot be unpacked.
    #[error("its METADATA cannot be unpacked")]
    Unpack(#[source] std::io::Error),
    /// `METADATA` cannot be used.
    #[error("its METADATA {0}")]
    Metadata(String),
    /// `METADATA` describes a package other than the file name's.
    #[error("its file name says {named}, and its METADATA {found}")]
    Differs {
        /// Package according to the file name.
        named: String,
        /// Package according to `METADATA`.
        found: String,
    },
}

impl CodedError for PackagesError {
    fn code(&self) -> Code {
        match self {
            Self::Wheel { source, .. } => match source {
                WheelFault::FileName(_) => codes::WHEEL_NAME,
                WheelFault::Archive(_) | WheelFault::ArchiveTooLarge { .. } | WheelFault::Unpack(_) => {
                    codes::WHEEL_ARCHIVE
                }
                WheelFault::Metadata(_) => codes::WHEEL_METADATA,
                WheelFault::Differs { .. } => codes::WHEEL_DIFFERS,
            },
            Self::Empty => codes::WHEELS_MISSING,
            Self::Twice { .. } => codes::WHEEL_TWICE,
            Self::TooMany { .. } => codes::WHEELS_TOO_MANY,
            Self::List(_) | Self::Document(_) => codes::PACKAGE_INDEX_UNUSABLE,
        }
    }
}
