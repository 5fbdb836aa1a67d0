//! Choice of the unsynced names that survive a power cut.

use std::collections::{BTreeMap, BTreeSet};

use super::Fate;
use super::disk::{Disk, Name, NameState, Names, ROOT, Rename};

/// Maximum number of subsets at one edge of which all are tried.
const SUBSETS: u64 = 24;

/// Number of subsets that are tried if there are more.
const SAMPLES: u64 = 8;

impl Disk {
    /// Returns each name with the number of states in which it may be left, including the durable one. Names in folders
    /// that are unreachable after a power cut are left out.
    fn open_names(&self) -> Vec<(&Name, usize)> {
        let mut folders = BTreeSet::from([ROOT]);
        loop {
            let durable = self.durable.iter().map(|((folder, _), node)| (*folder, *node));
            let states = self
                .pending
                .iter()
                .flat_map(|((folder, _), states)| states.iter().filter_map(|state| Some((*folder, state.node?))));
            let known = folders.len();
            let inside = durable.chain(states).filter(|(folder, _)| folders.contains(folder)).map(|(_, node)| node);
            folders.extend(inside.collect::<Vec<_>>());
            if folders.len() == known {
                break;
            }
        }
        let reachable = self.pending.iter().filter(|((folder, _), _)| folders.contains(folder));
        reachable.map(|(name, states)| (name, states.len() + 1)).collect()
    }

    /// The subsets of names to try at this edge.
    pub(super) fn subsets(&self) -> impl Iterator<Item = Fate> + use<> {
        let all = self.open_names().iter().try_fold(1, |all: u64, (_, count)| all.checked_mul(*count as u64));
        let tried = all.filter(|all| *all <= SUBSETS).unwrap_or(SAMPLES);
        (0..if tried > 1 { tried } else { 0 }).map(Fate::Subset)
    }

    /// Returns the names that a power cut leaves.
    pub(super) fn names_left(&self, fate: Fate) -> Names {
        if fate == Fate::Lost {
            return self.durable.clone();
        }
        if matches!(fate, Fate::Kept | Fate::Torn | Fate::Zeroed) {
            return self.current.clone();
        }
        let open = self.open_names();
        let all = open.iter().try_fold(1, |all: u64, (_, count)| all.checked_mul(*count as u64));
        let is_counted = matches!(fate, Fate::Subset(_)) && all.is_some_and(|all| all <= SUBSETS);
        let (Fate::Subset(mut rest) | Fate::Mixed(mut rest)) = fate else { return self.current.clone() };
        let mut chosen = BTreeMap::new();
        for (name, count) in open {
            let drawn = if is_counted { rest } else { fate.draw(name) };
            chosen.insert(name.clone(), usize::try_from(drawn % count as u64).unwrap_or_default());
            rest /= count as u64;
        }
        self.keep_renames_whole(&mut chosen);
        let mut names = self.durable.clone();
        for (name, state) in chosen.iter().filter_map(|(name, state)| Some((name, state.checked_sub(1)?))) {
            match self.pending[name][state].node {
                Some(node) => names.insert(name.clone(), node),
                None => names.remove(name),
            };
        }
        names
    }

    /// Gives a renamed file either its old name or its new one, as a journaling filesystem does.
    fn keep_renames_whole(&self, chosen: &mut BTreeMap<Name, usize>) {
        let index = |name, change| {
            self.pending.get(name)?.iter().position(|state: &NameState| state.change == change).map(|at| at + 1)
        };
        let mut is_whole = false;
        // One rename may affect another of the same name. States only rise, so this loop ends.
        while !is_whole {
            is_whole = true;
            for Rename { change, from, to } in &self.renames {
                let (Some(left), Some(come)) = (index(from, *change), index(to, *change)) else { continue };
                let reaches = |name, state| chosen.get(name).is_some_and(|chosen| *chosen >= state);
                let (name, state) = match (reaches(from, left), reaches(to, come)) {
                    (true, false) => (to, come),
                    (false, true) => (from, left),
                    _ => continue,
                };
                chosen.insert(name.clone(), state);
                is_whole = false;
            }
        }
    }
}
