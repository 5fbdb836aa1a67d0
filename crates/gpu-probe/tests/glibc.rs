//! Test that the shipped program needs no newer glibc than the one in the oldest distribution on which Landfall
//! installs.
#![cfg(target_env = "gnu")]

use std::collections::BTreeSet;

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader as _};

/// The glibc of Red Hat Enterprise Linux 9.
const NEWEST: (u32, u32) = (2, 34);

/// Returns every version of glibc's symbols that a program needs.
fn glibc_versions(program: &[u8]) -> BTreeSet<(u32, u32)> {
    let header = FileHeader64::<Endianness>::parse(program).expect("an ELF file");
    let endian = header.endian().expect("byte order");
    let sections = header.sections(endian, program).expect("sections");
    let mut versions = BTreeSet::new();
    for section in sections.iter() {
        let Some((mut needs, strings)) = section.gnu_verneed(endian, program).expect("needed versions") else {
            continue;
        };
        let strings = sections.strings(endian, program, strings).expect("names");
        while let Some((_, mut names)) = needs.next().expect("a library") {
            while let Some(name) = names.next().expect("a version") {
                let name = String::from_utf8_lossy(name.name(endian, strings).expect("a name")).into_owned();
                let Some(version) = name.strip_prefix("GLIBC_") else { continue };
                let mut numbers = version.split('.').map(|number| number.parse::<u32>().expect("a number"));
                versions.insert((numbers.next().expect("major"), numbers.next().unwrap_or(0)));
            }
        }
    }
    versions
}

#[test]
fn glibc_symbols_suit_oldest_distribution() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_landfall-gpu")).expect("the program");
    let versions = glibc_versions(&program);
    assert!(versions.contains(&(2, 34)) || versions.contains(&(2, 2)), "versions are found at all: {versions:?}");
    let newer: Vec<_> = versions.iter().filter(|version| **version > NEWEST).collect();
    assert!(newer.is_empty(), "newer than glibc {NEWEST:?}: {newer:?}");
}
