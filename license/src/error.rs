//! Why a license is refused, or cannot be made.

use landfall_error_codes::{Code, Coded, codes};

/// The result of everything in this crate that can refuse.
pub type Result<T, E = LicenseError> = std::result::Result<T, E>;

/// Why a license is refused, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LicenseError {
    /// Format or signatures: not the bytes that the vendor signed, or not this vendor's.
    #[error("the license {name} is refused")]
    Refused {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
    /// A signed license that contradicts itself.
    #[error("the license {name} contradicts itself: {reason}")]
    Invalid {
        /// The file.
        name: String,
        /// In a few words.
        reason: String,
    },
    /// It requires something that this version does not know.
    #[error("the license {name} requires `{requirement}`, which this Landfall does not know")]
    Requirement {
        /// The file.
        name: String,
        /// What is required.
        requirement: String,
    },
    /// The revocation that was issued with it is not in the file.
    #[error("the license {name} was issued with revocation {number}, which the file lacks")]
    RevocationMissing {
        /// The file.
        name: String,
        /// Number of the revocation.
        number: u64,
    },
    /// A description that no license can be made from.
    #[error("{name}{}: {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Description {
        /// The file.
        name: String,
        /// Line in the file, counted from 1, where it is known.
        line: Option<u64>,
        /// What is wrong.
        reason: String,
    },
    /// The keys that signed are not enough, or not those of the newest root document.
    #[error("the license {name} is not signed as the newest root document requires")]
    Signing {
        /// The license.
        name: String,
        /// Why.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
}

impl LicenseError {
    /// What maps an error of the format to that of a license of this name.
    pub(crate) fn refused(name: &str) -> impl Fn(landfall_bundle_spec::Error) -> Self {
        let name = name.to_owned();
        move |source| Self::Refused { name: name.clone(), source: Box::new(source) }
    }
}

impl Coded for LicenseError {
    fn code(&self) -> Code {
        match self {
            Self::Refused { source, .. } => source.code(),
            Self::Invalid { .. } => codes::LICENSE_INVALID,
            Self::Requirement { .. } => codes::LICENSE_REQUIREMENT,
            Self::RevocationMissing { .. } => codes::LICENSE_INCOMPLETE,
            Self::Description { .. } => codes::LICENSE_DESCRIPTION,
            Self::Signing { .. } => codes::LICENSE_SIGNING,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            // The registry's advice is about bundles.
            Self::Refused { .. } => Some(
                "Do not use this license file. Ask the vendor to send it again; what runs is not affected.".to_owned(),
            ),
            _ => None,
        }
    }
}
