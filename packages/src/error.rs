//! What can be wrong with a set of wheels.

use landfall_error_codes::{Code, Coded, codes};

use crate::limits;

/// Wheels that no index can serve: which file, and why.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A wheel cannot be used.
    #[error("the wheel {file} cannot be served")]
    Wheel {
        /// Its path in its artifact.
        file: String,
        /// Why.
        #[source]
        source: WheelFault,
    },
    /// There are no wheels.
    #[error("there are no wheels to serve")]
    Empty,
    /// Two wheels would have one address.
    #[error("{first} and {second} are two wheels of one file name")]
    Twice {
        /// The path of one.
        first: String,
        /// The path of the other.
        second: String,
    },
    /// The list would not fit where it has to travel.
    #[error("the list of {wheels} wheels has {bytes} bytes, and at most {} can travel", limits::LIST_BYTES)]
    TooMany {
        /// How many wheels there are.
        wheels: usize,
        /// Bytes of their list.
        bytes: usize,
    },
    /// A list of wheels is not what `landfall build` writes.
    #[error("the list of wheels cannot be used: {0}")]
    List(String),
    /// The list cannot be read or written as a document.
    #[error("the list of wheels is not a document")]
    Document(#[from] landfall_bundle_spec::Error),
}

/// Why a wheel cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WheelFault {
    /// Its file has no name of a wheel.
    #[error("its file name is not a wheel's: {0}")]
    FileName(&'static str),
    /// Its archive cannot be read.
    #[error("its archive cannot be read")]
    Archive(#[from] rawzip::Error),
    /// Its archive is larger than any real one.
    #[error("its archive has {what}")]
    ArchiveTooLarge {
        /// What is too large, in words.
        what: String,
    },
    /// `METADATA` cannot be unpacked.
    #[error("its METADATA cannot be unpacked")]
    Unpack(#[source] std::io::Error),
    /// `METADATA` cannot be used.
    #[error("its METADATA {0}")]
    Metadata(String),
    /// `METADATA` is of another package than the file name says.
    #[error("its file name says {named}, and its METADATA {found}")]
    Differs {
        /// What the file name says.
        named: String,
        /// What `METADATA` says.
        found: String,
    },
}

impl Coded for PackagesError {
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
