//! The one registry of error codes; `docs/ERRORS.md` is generated from it.
//!
//! A code is stable: it is never reused and never changes its meaning. Ranges: LF10 format, LF11 trust, LF12 media
//! and parts, LF20 release definition and lock, LF21 fetching, LF30 site preflight, LF31 site configuration, LF40
//! journal and engine, LF41 node steps, LF42 cluster and apply, LF90 bugs.

use std::fmt;

/// What an error means for the person at the keyboard, and the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitClass {
    /// 1: our fault; please report.
    Bug,
    /// 2: wrong usage or a bad release definition.
    Usage,
    /// 3: the bundle was refused, for damage or trust; nothing was changed by it.
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
    /// What it is, in a few words.
    pub title: &'static str,
    /// What a person does next.
    pub fix: &'static str,
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id)
    }
}

/// An error that carries its code. `Display` says what failed and on what, never what its source says.
pub trait Coded: std::error::Error {
    /// The entry of the registry.
    fn code(&self) -> Code;

    /// What to do next, where the error knows better than the registry.
    fn hint(&self) -> Option<String> {
        None
    }
}

macro_rules! codes {
    ($($name:ident = $id:literal, $class:ident, $title:literal, $fix:literal;)*) => {
        $(
            #[doc = concat!("`", $id, "`: ", $title, ".")]
            pub const $name: Code = Code { id: $id, class: ExitClass::$class, title: $title, fix: $fix };
        )*

        /// Every code there is, in the order of the registry.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    // LF10: format.
    // LF11: trust.
    // LF12: media and parts.
    // LF20: release definition and lock.
    // LF21: fetching.
    // LF30: site preflight.
    // LF31: site configuration.
    // LF40: journal and engine.
    // LF41: node steps.
    // LF42: cluster and apply.
    // LF90: bugs.
    BUG = "LF9001", Bug, "Landfall met a state it thought impossible", "Please report this with the message and the log.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ALL;

    #[test]
    fn codes_are_well_formed_and_unique() {
        let mut seen = HashSet::new();
        for code in ALL {
            assert!(code.id.len() == 6 && code.id.starts_with("LF") && code.id[2..].bytes().all(|b| b.is_ascii_digit()));
            assert!(seen.insert(code.id), "{} stands twice", code.id);
            assert!(!code.title.ends_with('.') && code.fix.ends_with('.'), "{}", code.id);
        }
    }
}
