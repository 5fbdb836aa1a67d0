//! The error type of the builder: a code, and the file and field that are wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use landfall_error_codes::{Code, CodedError, ExitClass};
use landfall_media::MediaError;
use landfall_media::durable::DurableError;

/// Why a release could not be locked or built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An error found by the builder itself.
    #[error(transparent)]
    Failed(Box<Failure>),
    /// An error of the store or of a bundle's parts.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// An error of the bundle format: keys, roots, the head.
    #[error(transparent)]
    Format(#[from] landfall_bundle_spec::Error),
    /// An error in a license.
    #[error(transparent)]
    License(#[from] landfall_license::LicenseError),
}

/// An error with its code, place, message and hint.
#[derive(Debug, thiserror::Error)]
#[error("{place}{what}")]
pub struct Failure {
    code: Code,
    place: Place,
    what: String,
    hint: Option<String>,
    /// The reference of the image, artifact or chart whose content is refused.
    refused: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Place of an error, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Option<PathBuf>,
    /// Line in the file, counted from 1.
    pub line: Option<u64>,
    /// The field, such as `components[2].needs[0]`.
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
    /// Creates an error from a code and a message, without a place.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self::at(code, Place::default(), what)
    }

    /// Creates an error at a place of a file.
    pub fn at(code: Code, place: Place, what: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure { code, place, what: what.into(), hint: None, refused: None, source: None }))
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.source = Some(source.into());
        }
        self
    }

    /// Sets the place, if the error has none yet.
    #[must_use]
    pub fn within(mut self, place: Place) -> Self {
        if let Self::Failed(failure) = &mut self
            && failure.place == Place::default()
        {
            failure.place = place;
        }
        self
    }

    /// Corrects the line of an error in a file that was rewritten since; `line` returns the current line of a field.
    #[must_use]
    pub fn in_rewritten(mut self, file: &Path, line: impl Fn(&str) -> Option<u64>) -> Self {
        if let Self::Failed(failure) = &mut self
            && failure.place.file.as_deref() == Some(file)
            && let Some(found) = failure.place.field.as_deref().and_then(line)
        {
            failure.place.line = Some(found);
        }
        self
    }

    /// Puts the name of the image, artifact or chart before the message.
    #[must_use]
    pub fn of(mut self, content: &impl fmt::Display) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.what = format!("{content}: {}", failure.what);
        }
        self
    }

    /// Appends further problems to the message.
    #[must_use]
    pub fn with_more(mut self, more: &str) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.what += more;
        }
        self
    }

    /// Replaces the path of a temporary copy with that of the original, in the place and in the text.
    #[must_use]
    pub fn of_copy(mut self, copy: &Path, original: &Path) -> Self {
        if let Self::Failed(failure) = &mut self {
            if let Some(inside) = failure.place.file.as_deref().and_then(|file| file.strip_prefix(copy).ok()) {
                // A file that was generated in the copy has no original.
                let file = original.join(inside);
                failure.place.file = Some(if file.exists() { file } else { original.to_owned() });
            }
            failure.what = failure.what.replace(&copy.display().to_string(), &original.display().to_string());
        }
        self
    }

    /// Records that the content with this reference is refused, independently of how the release uses it.
    #[must_use]
    pub fn refusing(mut self, content: &impl fmt::Display) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.refused = Some(content.to_string());
        }
        self
    }

    /// Reference of the image, artifact or chart whose content is refused. `None` for errors of the machine, such as a
    /// full disk.
    pub fn refused_reference(&self) -> Option<&str> {
        match self {
            Self::Failed(failure) if failure.code.class == ExitClass::Usage => failure.refused.as_deref(),
            _ => None,
        }
    }

    /// Replaces the temporary path `made`, which is gone when a user reads the error, with `path`.
    #[must_use]
    pub fn instead_of(mut self, made: &Path, path: &Path) -> Self {
        let Self::Failed(failure) = &mut self else { return self };
        let (gone, named) = (made.display().to_string(), path.display().to_string());
        if let Some(file) = &mut failure.place.file
            && let Ok(below) = file.strip_prefix(made)
        {
            *file = if below.as_os_str().is_empty() { path.to_owned() } else { path.join(below) };
        }
        failure.what = failure.what.replace(&gone, &named);
        let causes = failure.source.as_deref().map(text_with_causes);
        if let Some(said) = causes.filter(|said| said.contains(&gone)) {
            failure.source = Some(said.replace(&gone, &named).into());
        }
        self
    }

    /// Code and first line of the message, for use in another report.
    pub fn in_short(&self) -> String {
        let said = self.to_string();
        format!("{}: {}", self.code().id, said.lines().next().unwrap_or_default())
    }

    /// Sets a hint that is more specific than the one in the registry of error codes.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.hint = Some(hint.into());
        }
        self
    }
}

/// Formats an error with its causes.
fn text_with_causes(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<DurableError> for BuildError {
    fn from(error: DurableError) -> Self {
        Self::Media(error.into())
    }
}

impl CodedError for BuildError {
    fn code(&self) -> Code {
        match self {
            Self::Failed(failure) => failure.code,
            Self::Media(error) => error.code(),
            Self::Format(error) => error.code(),
            Self::License(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Failed(failure) => failure.hint.clone(),
            Self::Media(error) => CodedError::hint(error),
            Self::Format(error) => CodedError::hint(error),
            Self::License(error) => CodedError::hint(error),
        }
    }
}

/// Result type of this crate.
pub type Result<T, E = BuildError> = std::result::Result<T, E>;
