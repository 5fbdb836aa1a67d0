//! Selects npm packages for the target by their names: an incomplete `package-lock.json` does not state the target of
//! packages that it lacks.

use std::collections::BTreeMap;
use std::fmt;

/// CPU of the target machines, whose operating system is Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    /// CPU of `linux/amd64`.
    X64,
    /// CPU of `linux/arm64`.
    Arm64,
}

impl Cpu {
    /// The CPU of a platform such as `linux/amd64`.
    pub fn of_platform(platform: &str) -> Option<Self> {
        match platform {
            "linux/amd64" => Some(Self::X64),
            "linux/arm64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// Words for the CPU in names of packages.
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

/// Words for Linux in names; one of them includes the C library.
const LINUX: [&str; 2] = ["linux", "linuxmusl"];

/// Words for a C library or its ABI in names.
const LIBRARIES: [&str; 3] = ["gnu", "glibc", "musl"];

/// Names of packages for the target, none of whose alternatives is present. Names that differ only in the C library are
/// alternatives.
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
    // If there are several alternatives, the one for the GNU C library is reported, because most machines use it.
    lacking
        .filter_map(|names| names.iter().copied().find(|name| !name.contains("musl")).or(names.first().copied()))
        .collect()
}

/// Words of a name other than the system's; `None` if the name is not for the target.
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
    fn target_packages_are_recognized_by_name() {
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
    fn libc_variants_are_interchangeable() {
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
