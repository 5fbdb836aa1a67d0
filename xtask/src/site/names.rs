//! File names of a machine, read from the host, without random parts. Two sites of one release have the same names, so
//! leftovers of an interrupted write show as a difference.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Machine;
use super::files::still_there;

/// Folders in which an install writes.
const TOPS: [&str; 4] = ["/etc", "/opt", "/run/landfall", "/var/lib/landfall"];

/// A rule for random names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rule {
    /// Path in which `*` matches any text within a component.
    path: String,
    treatment: Treatment,
    #[cfg_attr(not(test), expect(dead_code, reason = "the reason is for readers, a test demands it"))]
    reason: String,
}

/// The treatment of a random name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Treatment {
    /// The name is compared by its pattern, and everything below it by exact name.
    Name,
    /// The name is compared by its pattern, and nothing below it is compared.
    Below,
    /// Neither the name nor anything below it is compared.
    LeaveOut,
}

/// The checked-in list of random names.
#[derive(Debug)]
struct Rules(Vec<Rule>);

impl Rules {
    fn checked_in() -> Result<Self> {
        serde_json::from_str(include_str!("generated-names.json"))
            .map(Self)
            .context("the list of random names is wrong")
    }

    /// Returns the name in its compared form, or `None` if it is not compared.
    fn reduce(&self, name: &str) -> Option<String> {
        let parts: Vec<&str> = name.split('/').collect();
        for rule in &self.0 {
            let pattern: Vec<&str> = rule.path.split('/').collect();
            let fits = parts.len() >= pattern.len() && pattern.iter().zip(&parts).all(|(one, part)| matches(one, part));
            if fits {
                return match rule.treatment {
                    Treatment::LeaveOut => None,
                    Treatment::Below => Some(rule.path.clone()),
                    Treatment::Name => Some([&pattern[..], &parts[pattern.len()..]].concat().join("/")),
                };
            }
        }
        Some(name.to_owned())
    }
}

/// Returns true if a path component matches a pattern with at most one `*`.
fn matches(pattern: &str, part: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == part,
        Some((begin, end)) => part.len() >= begin.len() + end.len() && part.starts_with(begin) && part.ends_with(end),
    }
}

/// Returns the names of everything in these folders on the running machine.
pub fn names(machine: &Machine) -> Result<BTreeSet<String>> {
    let (root, rules) = (machine.first()?.proc("root"), Rules::checked_in()?);
    let mut names = BTreeSet::new();
    for top in TOPS {
        walk(&root, top, &mut names)?;
    }
    Ok(names.iter().filter_map(|name| rules.reduce(name)).collect())
}

/// Adds every name below `top` on the same filesystem.
fn walk(root: &Path, top: &str, names: &mut BTreeSet<String>) -> Result<()> {
    let outside = |inside: &str| root.join(inside.trim_start_matches('/'));
    let Some(device) = still_there(outside(top).metadata())?.map(|found| found.dev()) else { return Ok(()) };
    let mut pending = vec![top.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in still_there(outside(&folder).read_dir())?.into_iter().flatten() {
            let Some(entry) = still_there(entry)? else { continue };
            let Some(found) = still_there(entry.metadata())? else { continue };
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if found.is_dir() && found.dev() == device {
                pending.push(name.clone());
            }
            names.insert(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduce_name(name: &str) -> Option<String> {
        Rules::checked_in().unwrap().reduce(name)
    }

    #[test]
    fn only_random_names_are_reduced() {
        assert!(Rules::checked_in().unwrap().0.iter().all(|rule| rule.reason.split(' ').count() >= 3));
        let certificate = "/var/lib/landfall/kubelet/pki/kubelet-client-2026-11-20-11-50-31.pem";
        assert_eq!(reduce_name(certificate).unwrap(), "/var/lib/landfall/kubelet/pki/kubelet-client-*.pem");
        assert_eq!(reduce_name("/var/lib/landfall/storage/pvc-1/PG_VERSION").unwrap(), "/var/lib/landfall/storage/*");
        assert_eq!(reduce_name("/run/landfall/kubectl/http/1"), None);
        assert_eq!(reduce_name("/var/lib/landfall/kubelet/.739383561"), None);
        for kept in [
            "/etc/landfall/agent.json.landfall-temporary",
            "/var/lib/landfall/registry/landfall/partial/0123",
            "/var/lib/landfall/containerd/io.containerd.content.v1.content/ingest/0123",
            "/var/lib/landfall/kubelet/pki/kubelet-client-2026-11-20-11-50-31.tmp",
        ] {
            assert_eq!(reduce_name(kept).as_deref(), Some(kept));
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a file of the test")]
    fn names_below_folder_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/a/b")).unwrap();
        std::fs::File::create(folder.path().join("etc/a/b/file")).unwrap();
        let mut names = BTreeSet::new();
        walk(folder.path(), "/etc", &mut names).unwrap();
        walk(folder.path(), "/opt", &mut names).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["/etc/a", "/etc/a/b", "/etc/a/b/file"]);
    }
}
