//! The list of wheels: a signed document with the files that an index serves.

use std::collections::HashMap;

use landfall_bundle_spec::{read_typed, to_canonical};
use serde::{Deserialize, Serialize};

use crate::error::PackagesError;
use crate::file_name::WheelName;
use crate::limits;
use crate::metadata::{is_printable, is_version};
use crate::wheel::Wheel;

/// The `type` of the document.
pub const WHEEL_LIST_TYPE: &str = "landfall.dev/wheels/1";

/// Name of the document's file.
pub const WHEEL_LIST_NAME: &str = "wheels.json";

/// The wheels that an index serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelList {
    /// Always [`WHEEL_LIST_TYPE`].
    #[serde(rename = "type")]
    document_type: String,
    /// Wheels, sorted by path.
    wheels: Vec<Wheel>,
}

impl WheelList {
    /// Creates a list of these wheels. There must be at least one, without duplicate file names, and the list must be
    /// small enough for a bundle's head.
    pub fn new(mut wheels: Vec<Wheel>) -> Result<Self, PackagesError> {
        wheels.sort_by(|one, other| one.path.cmp(&other.path));
        let list = Self { document_type: WHEEL_LIST_TYPE.to_owned(), wheels };
        list.check()?;
        let bytes = list.to_bytes()?.len();
        if bytes > limits::LIST_BYTES {
            return Err(PackagesError::TooMany { wheels: list.wheels.len(), bytes });
        }
        Ok(list)
    }

    /// Reads a list that [`WheelList::to_bytes`] wrote, and checks every name and text.
    pub fn read(bytes: &[u8]) -> Result<Self, PackagesError> {
        if bytes.len() > limits::LIST_BYTES {
            return Err(PackagesError::List(format!("it has {} bytes", bytes.len())));
        }
        let list: Self = read_typed(WHEEL_LIST_NAME, WHEEL_LIST_TYPE, bytes)?;
        list.check()?;
        Ok(list)
    }

    /// Returns the bytes of the document.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackagesError> {
        Ok(to_canonical(WHEEL_LIST_NAME, self)?)
    }

    /// The wheels, sorted by path.
    pub fn wheels(&self) -> &[Wheel] {
        &self.wheels
    }

    fn check(&self) -> Result<(), PackagesError> {
        if self.wheels.is_empty() {
            return Err(PackagesError::Empty);
        }
        let mut seen: HashMap<&str, &Wheel> = HashMap::new();
        for wheel in &self.wheels {
            let file = || wheel.path.clone();
            WheelName::read(wheel.file_name()).map_err(|source| PackagesError::Wheel { file: file(), source })?;
            if !is_path(&wheel.path) {
                return Err(PackagesError::List(format!("`{}` is not a relative path", wheel.path.escape_default())));
            }
            let python = wheel.requires_python.as_deref().unwrap_or_default();
            let is_plain = python.len() <= limits::FIELD_BYTES && is_printable(python.as_bytes());
            if !is_version(&wheel.version) || !is_plain {
                return Err(PackagesError::List(format!("a field of {} is no plain text", wheel.path)));
            }
            if let Some(first) = seen.insert(wheel.file_name(), wheel) {
                return Err(PackagesError::Twice { first: first.path.clone(), second: file() });
            }
        }
        Ok(())
    }
}

/// Returns true if a path is relative and never leads upward.
pub(crate) fn is_path(path: &str) -> bool {
    let segment = |segment: &str| {
        !matches!(segment, "" | "." | "..") && is_printable(segment.as_bytes()) && !segment.contains('\\')
    };
    path.len() <= limits::PATH_BYTES && path.split('/').all(segment)
}
