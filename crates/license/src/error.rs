//! Errors for licenses that are refused or cannot be made.

use landfall_error_codes::{Code, CodedError, codes};

/// The result of fallible functions in this crate.
pub type Result<T, E = LicenseError> = std::result::Result<T, E>;

/// The reason why a license is refused or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LicenseError {
    /// The form or the signatures are wrong: the bytes are not those that the vendor signed, or come from another
    /// vendor.
    #[error("the license {name} is refused")]
    Refused {
        /// Name of the file.
        name: String,
        /// The cause.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
    /// A signed license contradicts itself.
    #[error("the license {name} contradicts itself: {reason}")]
    Invalid {
        /// Name of the file.
        name: String,
        /// The reason, in a few words.
        reason: String,
    },
    /// The license requires something that this version does not know.
    #[error("the license {name} requires `{requirement}`, which this Landfall does not know")]
    Requirement {
        /// Name of the file.
        name: String,
        /// The requirement.
        requirement: String,
    },
    /// The file lacks the revocation that was issued with the license.
    #[error("the license {name} was issued with revocation {number}, which the file lacks")]
    RevocationMissing {
        /// Name of the file.
        name: String,
        /// Number of the revocation.
        number: u64,
    },
    /// No license can be made from the description.
    #[error("{name}{}: {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Description {
        /// Name of the file.
        name: String,
        /// Line in the file, counted from 1, if known.
        line: Option<u64>,
        /// The defect.
        reason: String,
    },
    /// Too few keys signed, or not those of the newest root document.
    #[error("the license {name} is not signed as the newest root document requires")]
    Signing {
        /// Name of the license.
        name: String,
        /// The cause.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
}

impl LicenseError {
    /// Returns a function that turns an error of the format into one of the license with this name.
    pub(crate) fn refusal_of(name: &str) -> impl Fn(landfall_bundle_spec::Error) -> Self {
        let name = name.to_owned();
        move |source| Self::Refused { name: name.clone(), source: Box::new(source) }
    }
}

impl CodedError for LicenseError {
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
            // The advice in the registry of codes is about bundles.
            Self::Refused { .. } => Some(
                "Do not use this license file. Ask the vendor to send it again; what runs is not affected.".to_owned(),
            ),
            _ => None,
        }
    }
}
