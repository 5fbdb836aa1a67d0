//! The packages that npm takes for one system: which of those that another package names are for the target, by their names, since a file that
//! lacks a package does not say what it is for.

use std::collections::BTreeMap;
use std::fmt;

/// The processor of the machines that the packages are for. Their system is Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    /// That of `linux/amd64`.
    X64,
    /// That of `linux/arm64`.
    Arm64,
}

impl Cpu {
    /// The processor of a platform such as `linux/amd64`.
    pub fn of_platform(platform: &str) -> Option<Self> {
        match platform {
            "linux/amd64" => Some(Self::X64),
            "linux/arm64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// The words by which names of packages call it.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::X64 => &["x64", "amd64", "64"],
            Self::Arm64 => &["arm64", "aarch64"],
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::X64 => "linux/amd64",
            Self::Arm64 => "linux/arm64",
        })
    }
}

/// The words by which names call Linux, where one of them says the C library, too.
const LINUX: [&str; 2] = ["linux", "linuxmusl"];

/// The words by which names call a C library or its interface.
const LIBRARIES: [&str; 3] = ["gnu", "glibc", "musl"];

/// The names of packages for the target, of which none is there. Those that differ by the C library alone stand for one another.
pub(super) fn lacking<'a>(
    names: impl Iterator<Item = &'a str>,
    cpu: Cpu,
    is_there: impl Fn(&str) -> bool,
) -> Vec<&'a str> {
    let mut alike: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for name in names {
        if let Some(rest) = rest_of(name, cpu) {
            alike.entry(rest).or_default().push(name);
        }
    }
    let lacking = alike.into_values().filter(|names| !names.iter().any(|name| is_there(name)));
    // Of several, the one for most machines is named: that of the GNU C library.
    lacking
        .filter_map(|names| names.iter().copied().find(|name| !name.contains("musl")).or(names.first().copied()))
        .collect()
}

/// What a name says beside the system, where that is the target.
fn rest_of(name: &str, cpu: Cpu) -> Option<Vec<&str>> {
    let words: Vec<_> = name.split(['@', '/', '-', '_', '.']).filter(|word| !word.is_empty()).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    if !has(&LINUX) || !has(cpu.words()) {
        return None;
    }
    let of_target = [&LINUX[..], &LIBRARIES, cpu.words()].concat();
    Some(words.into_iter().filter(|word| !of_target.contains(word)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_target_are_known_by_their_names() {
        for (name, cpu) in [
            ("@esbuild/linux-x64", Some(Cpu::X64)),
            ("@esbuild/linux-arm64", Some(Cpu::Arm64)),
            ("@rollup/rollup-linux-x64-musl", Some(Cpu::X64)),
            ("@img/sharp-linuxmusl-arm64", Some(Cpu::Arm64)),
            ("turbo-linux-64", Some(Cpu::X64)),
            ("@esbuild/linux-arm", None),
            ("@esbuild/darwin-x64", None),
            ("@esbuild/win32-x64", None),
            ("fsevents", None),
        ] {
            for target in [Cpu::X64, Cpu::Arm64] {
                assert_eq!(rest_of(name, target).is_some(), cpu == Some(target), "{name} on {target}");
            }
        }
    }

    #[test]
    fn packages_that_differ_by_the_c_library_stand_for_one_another() {
        let names = [
            "@img/sharp-linux-x64",
            "@img/sharp-linuxmusl-x64",
            "@img/sharp-libvips-linux-x64",
            "@img/sharp-darwin-x64",
        ];
        let lacking = |there: &[&str]| lacking(names.into_iter(), Cpu::X64, |name| there.contains(&name));
        assert_eq!(lacking(&[names[3]]), [names[0], names[2]]);
        assert_eq!(lacking(&[names[1]]), [names[2]]);
        assert!(lacking(&[names[0], names[2]]).is_empty());
    }
}
