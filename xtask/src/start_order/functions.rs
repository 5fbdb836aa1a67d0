//! Functions that runs execute.

use std::collections::BTreeSet;

use super::link_map::{Function, LinkMap};

/// Bytes that the kernel maps around a touched page of a file.
const WINDOW_BYTES: u64 = 64 << 10;

/// Functions of a program that some runs execute.
#[derive(Debug)]
pub struct UsedFunctions<'a> {
    map: &'a LinkMap,
    used: BTreeSet<usize>,
    windows: usize,
}

impl<'a> UsedFunctions<'a> {
    /// Finds the functions at executed addresses.
    pub fn find(map: &'a LinkMap, addresses: &BTreeSet<u64>) -> Self {
        let used = addresses.iter().filter_map(|address| map.index(*address)).collect();
        let windows: BTreeSet<u64> = addresses.iter().map(|address| address / WINDOW_BYTES).collect();
        Self { map, used, windows: windows.len() }
    }

    /// The used functions, by address.
    pub fn used(&self) -> impl Iterator<Item = &'a Function> {
        self.used.iter().map(|index| &self.map.functions()[*index])
    }

    /// All functions of the program, by address.
    pub fn all(&self) -> &'a [Function] {
        self.map.functions()
    }

    /// Number of windows of 64 KiB that the runs touch, each of which the kernel maps whole.
    pub fn windows(&self) -> usize {
        self.windows
    }
}
