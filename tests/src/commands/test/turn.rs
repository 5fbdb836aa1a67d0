//! Turns: parts that take minutes run with every fifth commit or so, chosen by the commit's hash, so that a run of CI
//! ends in time and each of them runs often.

use std::process::Command;

use crate::workspace;

/// Number of turns.
const COUNT: u32 = 5;

/// One of the turns, which a commit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn(u32);

impl Turn {
    /// The turn of the commit that is checked out, and the first one where there is no repository.
    pub(super) fn of_this_commit() -> Self {
        let mut git = Command::new("git");
        let output = git.current_dir(workspace::root()).args(["rev-parse", "HEAD"]).output();
        let hash = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        Self::of(&String::from_utf8_lossy(&hash.unwrap_or_default()))
    }

    /// The turn of a commit's hash, by the first seven hexadecimal digits.
    fn of(hash: &str) -> Self {
        let digits = hash.get(..7).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        Self(digits.unwrap_or_default() % COUNT)
    }

    /// Whether it is among these.
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
    fn hash_chooses_the_turn() {
        assert_eq!([Turn::of("0000007f"), Turn::of("0000004\n"), Turn::of("")], [Turn(2), Turn(4), Turn(0)]);
    }

    #[test]
    fn every_turn_has_a_part_of_its_own() {
        let turns = PARTS.iter().filter_map(|part| match part.runs {
            Runs::InTurns(turns) => Some(turns),
            Runs::Always | Runs::WhenFull => None,
        });
        let turns: Vec<&[u32]> = turns.collect();
        assert!(turns.iter().all(|turns| !turns.is_empty() && turns.iter().all(|turn| *turn < COUNT)));
        assert!((0..COUNT).all(|turn| turns.contains(&[turn].as_slice())), "{turns:?}");
    }
}
