//! What is chosen of a project beside its dependencies.

use std::collections::BTreeSet;
use std::fmt;

use landfall_packages::normalized;

/// Names that the vendor wrote, normalized.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The project of a workspace; none where the file has only one.
    pub project: Option<String>,
    /// Extras of the project.
    pub extras: BTreeSet<String>,
    /// Groups of dependencies; none where nothing is written, so that those count which the file has by default.
    pub groups: Option<BTreeSet<String>>,
}

impl Selection {
    /// From names as they are written.
    pub fn new(project: Option<&str>, extras: &[String], groups: Option<&[String]>) -> Self {
        let all = |names: &[String]| names.iter().map(|name| normalized(name)).collect();
        Self { project: project.map(normalized), extras: all(extras), groups: groups.map(all) }
    }

    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The groups that are written.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flatten().map(String::as_str)
    }
}

impl fmt::Display for Selection {
    /// Each with a comma before it, as it follows the target.
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
