//! The vendor's selection from a project, in addition to its dependencies.

use std::collections::BTreeSet;
use std::fmt;

use landfall_packages::normalize_name;

/// The selection, with normalized names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Project of a workspace; `None` if the file has only one.
    pub project: Option<String>,
    /// Extras of the project.
    pub extras: BTreeSet<String>,
    /// Dependency groups; `None` for the default groups of the file.
    pub groups: Option<BTreeSet<String>>,
}

impl Selection {
    /// Creates a selection from names as written.
    pub fn new(project: Option<&str>, extras: &[String], groups: Option<&[String]>) -> Self {
        let all = |names: &[String]| names.iter().map(|name| normalize_name(name)).collect();
        Self { project: project.map(normalize_name), extras: all(extras), groups: groups.map(all) }
    }

    /// Returns true if nothing is selected.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The selected groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flatten().map(String::as_str)
    }
}

impl fmt::Display for Selection {
    /// Writes each part with a comma before it, to follow the target.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(project) = &self.project {
            write!(formatter, ", project {project}")?;
        }
        for extra in &self.extras {
            write!(formatter, ", extra {extra}")?;
        }
        match &self.groups {
            Some(groups) if groups.is_empty() => formatter.write_str(", no group"),
            groups => groups.iter().flatten().try_for_each(|group| write!(formatter, ", group {group}")),
        }
    }
}
