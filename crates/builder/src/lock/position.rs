//! Positions of entries in a lock.

use std::fmt;

use super::{List, Lock, LockEntry};

/// Position of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) list: List,
    /// Index in the list, counted from 0.
    pub(crate) number: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}[{}]", self.list.field(), self.number)
    }
}

impl Lock {
    /// All entries with their positions.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Position, &LockEntry)> {
        List::ALL.into_iter().flat_map(move |list| {
            let numbered = self.list(list).iter().enumerate();
            numbered.map(move |(number, entry)| (Position { list, number }, entry))
        })
    }
}
