//! Turns: parts that take minutes run with about every fifth commit, chosen by the commit's hash. A CI run thus ends in
//! time, and each of these parts runs often.

use std::process::Command;

use crate::workspace;

/// Number of turns.
const COUNT: u32 = 5;

/// A commit's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn(u32);

impl Turn {
    /// Returns the turn of the checked-out commit, or the first turn if there is no repository.
    pub(super) fn of_this_commit() -> Self {
        let mut git = Command::new("git");
        let output = git.current_dir(workspace::root()).args(["rev-parse", "HEAD"]).output();
        let hash = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        Self::of(&String::from_utf8_lossy(&hash.unwrap_or_default()))
    }

    /// Returns the turn of a commit's hash, by its first seven hexadecimal digits.
    fn of(hash: &str) -> Self {
        let digits = hash.get(..7).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        Self(digits.unwrap_or_default() % COUNT)
    }

    /// Returns true if it is one of these turns.
    pub(super) fn is_among(self, turns: &[u32]) -> bool {
        turns.contains(&self.0)
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {COUNT}", self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::{PARTS, Runs};
    use super::*;

    #[test]
    fn hash_chooses_turn() {
        assert_eq!([Turn::of("0000007f"), Turn::of("0000004\n"), Turn::of("")], [Turn(2), Turn(4), Turn(0)]);
    }

    #[test]
    fn turns_have_own_parts() {
        let turns = PARTS.iter().filter_map(|part| match part.runs {
            Runs::InTurns(turns) => Some(turns),
            Runs::Always | Runs::ExceptInTurns(_) | Runs::WhenFull => None,
        });
        let turns: Vec<&[u32]> = turns.collect();
        assert!(turns.iter().all(|turns| !turns.is_empty() && turns.iter().all(|turn| *turn < COUNT)));
        assert!((0..COUNT).all(|turn| turns.contains(&[turn].as_slice())), "{turns:?}");
    }
}
