//! Order of a release's node packs: one for each minor version of Kubernetes, without gaps.

/// An invalid entry in a list of node packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePackFault {
    /// Index of the entry.
    pub index: usize,
    /// Description of the fault: `v1.38 after v1.36 …`.
    pub what: String,
}

/// Returns an error for the first entry that cannot follow the previous one. The entries are versions of Kubernetes,
/// such as `v1.36` or `v1.36.3`, in the release's order. A list with one entry is always valid.
pub fn check_node_packs<'a>(versions: impl IntoIterator<Item = &'a str>) -> Result<(), NodePackFault> {
    let versions: Vec<&str> = versions.into_iter().collect();
    for (index, pair) in versions.windows(2).enumerate() {
        let &[before, after] = pair else { continue };
        check_pair(before, after).map_err(|what| NodePackFault { index: index + 1, what })?;
    }
    Ok(())
}

/// Checks that the minor version increases by exactly one, as Kubernetes requires.
fn check_pair(before: &str, after: &str) -> Result<(), String> {
    let (Some((major, from)), Some((later, to))) = (minor(before), minor(after)) else {
        return Err(format!("{after} after {before}, one of which is not a version such as v1.36"));
    };
    let next = from.saturating_add(1);
    match (later == major, to) {
        (true, to) if to == next => Ok(()),
        (true, to) if to == from => Err(format!("v{major}.{from} twice")),
        (true, to) if to > next => Err(format!("{after} after {before}, and Kubernetes cannot skip v{major}.{next}")),
        _ => Err(format!("{after} after {before}, where the next minor version is expected")),
    }
}

/// Returns the first two numbers of a version such as `v1.36` or `v1.36.3`.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(versions: &str) -> Result<(), NodePackFault> {
        check_node_packs(versions.split_whitespace())
    }

    #[test]
    fn node_packs_cover_consecutive_versions() {
        for versions in ["", "v1.36.3", "v1", "v1.36 v1.37", "v1.36.3 v1.37.0 v1.38.1"] {
            assert_eq!(check(versions), Ok(()), "{versions}");
        }
    }

    #[test]
    fn misordered_node_packs_are_named() {
        for (versions, index, what) in [
            ("v1.36.3 v1.38.0", 1, "v1.38.0 after v1.36.3, and Kubernetes cannot skip v1.37"),
            ("v1.36 v1.37 v1.37", 2, "v1.37 twice"),
            ("v1.36.3 v1.36.5", 1, "v1.36 twice"),
            ("v1.37 v1.36", 1, "v1.36 after v1.37, where the next minor version is expected"),
            ("v1.36 v2.0", 1, "v2.0 after v1.36, where the next minor version is expected"),
            ("v1.36 v1", 1, "v1 after v1.36, one of which is not a version such as v1.36"),
        ] {
            assert_eq!(check(versions), Err(NodePackFault { index, what: what.to_owned() }), "{versions}");
        }
    }
}
