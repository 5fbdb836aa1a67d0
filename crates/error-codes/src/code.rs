//! Error codes, exit classes, and the trait of errors with a code.

use std::fmt;

/// Defines a constant for each code, and the list of all.
macro_rules! registry {
    ($($name:ident = $id:literal, $class:ident, $title:literal, $fix:literal;)*) => {
        $(
            #[doc = concat!("`", $id, "`: ", $title, ".")]
            pub const $name: Code = Code { id: $id, class: ExitClass::$class, title: $title, fix: $fix };
        )*

        /// The codes of this file, in its order.
        pub(super) const CODES: &[Code] = &[$($name),*];
    };
}

pub(crate) use registry;

/// Class of an error, which determines the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitClass {
    /// 1: a bug in Landfall; please report.
    Bug,
    /// 2: wrong usage or a bad release definition.
    Usage,
    /// 3: the bundle was refused because of damage or trust. Nothing was installed; blobs that were verified before the
    /// damage stay in the data folder, so that a good copy can continue from there.
    Refused,
    /// 4: the site is not ready; nothing was changed.
    NotReady,
    /// 5: failed; `landfall resume` continues.
    Resumable,
    /// 6: stuck: can neither continue nor be undone without a person.
    Stuck,
    /// 7: a license is required.
    License,
}

impl ExitClass {
    /// The exit code of the process.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotReady => 4,
            Self::Resumable => 5,
            Self::Stuck => 6,
            Self::License => 7,
        }
    }

    /// Name of the class in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bug => "bug",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotReady => "not-ready",
            Self::Resumable => "resumable",
            Self::Stuck => "stuck",
            Self::License => "license",
        }
    }
}

impl serde::Serialize for ExitClass {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An entry of the registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `LF` and four digits.
    pub id: &'static str,
    /// Class of the error.
    pub class: ExitClass,
    /// Short description of what failed.
    pub title: &'static str,
    /// Next step for a person.
    pub fix: &'static str,
}

/// End of a next step for an error that leaves nothing to continue: the command runs again.
const AGAIN: &str = ", then run the same command again.";

/// End of a next step with several sentences, for the same purpose as [`AGAIN`].
const AGAIN_LAST: &str = "; then run the same command again.";

/// A next step without the part about running the same command again; `None` if it has none. Within a started
/// operation, another command continues.
pub fn remedy(next: &str) -> Option<String> {
    let remedy = next.strip_suffix(AGAIN).or_else(|| next.strip_suffix(AGAIN_LAST));
    remedy.map(|remedy| format!("{}.", remedy.trim_end_matches('.')))
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id)
    }
}

/// An error with a code. `Display` says what failed and on which object, and never repeats its source.
pub trait CodedError: std::error::Error {
    /// Entry of the registry.
    fn code(&self) -> Code;

    /// Next step that is more specific than the one in the registry.
    fn hint(&self) -> Option<String> {
        None
    }
}
