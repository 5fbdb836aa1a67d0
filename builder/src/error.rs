//! The one error of the vendor's side: a code, and which field of which file is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::{Code, Coded};

/// Why a release could not be locked or built.
#[derive(Debug, thiserror::Error)]
pub struct BuildError {
    kind: Box<Kind>,
}

#[derive(Debug)]
struct Kind {
    code: Code,
    place: Place,
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Where something is wrong, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Option<PathBuf>,
    /// Line in the file, counted from 1.
    pub line: Option<u64>,
    /// The field, as `components[2].needs[0]`.
    pub field: Option<String>,
}

impl Place {
    /// A file as a whole.
    pub fn file(path: &Path) -> Self {
        Self { file: Some(path.to_owned()), line: None, field: None }
    }

    /// A field of a file.
    pub fn field(path: &Path, line: u64, field: impl Into<String>) -> Self {
        Self { file: Some(path.to_owned()), line: (line > 0).then_some(line), field: Some(field.into()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(formatter, ":{line}")?;
            }
            formatter.write_str(": ")?;
        }
        if let Some(field) = &self.field {
            write!(formatter, "{field}: ")?;
        }
        Ok(())
    }
}

impl BuildError {
    /// An error with its code, and what failed on which object.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self::at(code, Place::default(), what)
    }

    /// An error at a place of a file.
    pub fn at(code: Code, place: Place, what: impl Into<String>) -> Self {
        Self { kind: Box::new(Kind { code, place, what: what.into(), hint: None, source: None }) }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.kind.source = Some(source.into());
        self
    }

    /// The same with what to do next, where that is better known than in the registry of codes.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.kind.hint = Some(hint.into());
        self
    }

    /// Where it went wrong.
    pub fn place(&self) -> &Place {
        &self.kind.place
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.kind.place, self.kind.what)
    }
}

impl Coded for BuildError {
    fn code(&self) -> Code {
        self.kind.code
    }

    fn hint(&self) -> Option<String> {
        self.kind.hint.clone()
    }
}

/// What functions of this crate return.
pub type Result<T> = std::result::Result<T, BuildError>;
