//! Tags of wheels that a target supports, best first: PEP 425 and 600, in pip's order.

use std::collections::HashMap;

use landfall_packages::WheelName;

use super::target::{Library, Target};

/// Oldest glibc version with tags for each CPU, by PEP 600.
const OLDEST_GLIBC: [(&str, u64); 2] = [("x86_64", 5), ("aarch64", 17)];

/// Legacy names of glibc versions.
const LEGACY: [(u64, &str); 3] = [(17, "manylinux2014"), (12, "manylinux2010"), (5, "manylinux1")];

/// First minor version of Python with the stable ABI.
const STABLE_SINCE: u64 = 2;

/// Rank of each supported tag; 0 is the best.
#[derive(Debug, Clone)]
pub struct Tags(HashMap<String, usize>);

impl Tags {
    /// Tags of a target.
    pub fn of(target: &Target) -> Self {
        let mut ranks = HashMap::new();
        for tag in ordered_tags(target) {
            let rank = ranks.len();
            ranks.entry(tag).or_insert(rank);
        }
        Self(ranks)
    }

    /// Best rank among the tags in the name of a wheel; `None` if the target supports none of them.
    pub fn rank(&self, file_name: &str) -> Option<usize> {
        let stem = file_name.strip_suffix(WheelName::ENDING)?;
        let mut parts = stem.rsplitn(4, '-');
        let (platforms, abis, pythons) = (parts.next()?, parts.next()?, parts.next()?);
        let tags = pythons.split('.').flat_map(|python| {
            let pairs = abis.split('.').map(move |abi| (python, abi));
            pairs.flat_map(move |(python, abi)| {
                platforms.split('.').map(move |platform| format!("{python}-{abi}-{platform}"))
            })
        });
        tags.filter_map(|tag| self.0.get(&tag.to_ascii_lowercase()).copied()).min()
    }
}

/// All tags, best first: those of this `CPython`, of its stable ABI and of earlier ones, and of pure Python.
pub(super) fn ordered_tags(target: &Target) -> Vec<String> {
    let (platforms, minor) = (platforms(target), target.minor());
    let own = format!("cp3{minor}");
    let mut tags = Vec::new();
    let mut on_platforms = |python: &str, abi: &str| {
        tags.extend(platforms.iter().map(|platform| format!("{python}-{abi}-{platform}")));
    };
    for abi in [own.as_str(), "abi3", "none"] {
        on_platforms(&own, abi);
    }
    for earlier in (STABLE_SINCE..minor).rev() {
        on_platforms(&format!("cp3{earlier}"), "abi3");
    }
    let earlier = (0..minor).rev().map(|earlier| format!("py3{earlier}"));
    let pure: Vec<_> = [format!("py3{minor}"), "py3".to_owned()].into_iter().chain(earlier).collect();
    for python in &pure {
        on_platforms(python, "none");
    }
    tags.push(format!("{own}-none-any"));
    tags.extend(pure.iter().map(|python| format!("{python}-none-any")));
    tags
}

/// Platform tags, newest first.
fn platforms(target: &Target) -> Vec<String> {
    let machine = target.machine();
    let mut platforms = Vec::new();
    match target.library() {
        Library::Glibc(newest) => {
            let oldest = OLDEST_GLIBC.iter().find(|(known, _)| *known == machine).map_or(newest, |(_, oldest)| *oldest);
            for minor in (oldest..=newest).rev() {
                platforms.push(format!("manylinux_2_{minor}_{machine}"));
                let legacy = LEGACY.iter().find(|(known, _)| *known == minor);
                platforms.extend(legacy.map(|(_, name)| format!("{name}_{machine}")));
            }
        }
        Library::Musl(major, newest) => {
            platforms.extend((0..=newest).rev().map(|minor| format!("musllinux_{major}_{minor}_{machine}")));
        }
    }
    platforms.push(format!("linux_{machine}"));
    platforms
}
