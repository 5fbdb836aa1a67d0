//! A code, what it means for the process, and errors that carry one.

use std::fmt;

/// Makes a constant of each code, and the list of them.
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

/// What an error means for the person at the keyboard, and the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitClass {
    /// 1: a bug in Landfall; please report.
    Bug,
    /// 2: wrong usage or a bad release definition.
    Usage,
    /// 3: the bundle was refused, for damage or trust. Nothing was installed; blobs that passed before the damage was
    /// found stay in the data folder, so that a good copy can continue from there.
    Refused,
    /// 4: the site is not ready; nothing was changed.
    NotReady,
    /// 5: failed, and `landfall resume` continues.
    Resumable,
    /// 6: stuck: neither forward nor back without a person.
    Stuck,
    /// 7: license.
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
}

/// One entry of the registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `LF` and four digits.
    pub id: &'static str,
    /// What it means for the process.
    pub class: ExitClass,
    /// What failed, in a few words.
    pub title: &'static str,
    /// What a person does next.
    pub fix: &'static str,
}

/// How the fix of an error ends that leaves nothing to continue: the command simply runs once more.
const AGAIN: &str = ", then run the same command again.";

/// The same behind several sentences.
const AGAIN_LAST: &str = "; then run the same command again.";

/// A next step without its last part, where that is to run the same command again. Within an operation that has begun,
/// another command continues.
pub fn remedy(next: &str) -> Option<String> {
    let remedy = next.strip_suffix(AGAIN).or_else(|| next.strip_suffix(AGAIN_LAST));
    remedy.map(|remedy| format!("{}.", remedy.trim_end_matches('.')))
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id)
    }
}

/// An error that carries its code. `Display` says what failed and on which object, and never repeats its source.
pub trait Coded: std::error::Error {
    /// The entry of the registry.
    fn code(&self) -> Code;

    /// What to do next, where the error knows better than the registry.
    fn hint(&self) -> Option<String> {
        None
    }
}
