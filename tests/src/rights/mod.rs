//! Who could become the administrator of a cluster, and how: a graph over the objects of a running one. Its nodes are identities and what
//! else gives rights, such as a node's files; its edges are acts that a right allows.
//!
//! Not seen are flaws of programs, traffic that a pod on the host's network listens to, names and endpoints that lead clients elsewhere,
//! resources that other software adds, and secrets whose contents only their owner understands.

mod admission;
mod cluster;
#[cfg(test)]
mod document;
mod reach;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::slice;

pub use cluster::{Cluster, Rule, Start};

/// What gives rights.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A service account.
    Account {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A user of a certificate.
    User(String),
    /// A group of users.
    Group(String),
    /// A role that could be bound, everywhere or in one namespace.
    Role {
        /// The role.
        role: RoleName,
        /// Where it counts.
        namespace: Option<String>,
    },
    /// Every right in a namespace.
    Namespace(String),
    /// A node, as the API server knows it.
    Node,
    /// The files and processes of a node of the control plane.
    Host,
    /// Every right in the cluster.
    Administrator,
}

impl Holder {
    fn account(namespace: &str, name: &str) -> Self {
        Self::Account { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// A role: of a namespace, or of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName {
    /// Its namespace; none for a `ClusterRole`.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { namespace, name } => write!(formatter, "account {namespace}/{name}"),
            Self::User(name) => write!(formatter, "user {name}"),
            Self::Group(name) => write!(formatter, "group {name}"),
            Self::Role { role, namespace: None } => write!(formatter, "role {} everywhere", role.name),
            Self::Role { role, namespace: Some(namespace) } => write!(formatter, "role {} in {namespace}", role.name),
            Self::Namespace(name) => write!(formatter, "all of {name}"),
            Self::Node => formatter.write_str("a node"),
            Self::Host => formatter.write_str("the host"),
            Self::Administrator => formatter.write_str("the administrator"),
        }
    }
}

/// An act, and what it gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// What is done.
    pub act: String,
    /// What that gives.
    pub gives: Holder,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.act, self.gives)
    }
}

/// A way in words.
#[must_use]
pub fn shown(path: &[Step]) -> String {
    path.iter().map(Step::to_string).collect::<Vec<_>>().join("; ")
}

impl Cluster {
    /// The shortest way to every right of the cluster, of so many steps at most. It has none where the holder has them already.
    #[must_use]
    pub fn path(&self, from: &Holder, most: usize) -> Option<Vec<Step>> {
        let mut ways = BTreeMap::from([(from.clone(), Vec::new())]);
        let mut next = VecDeque::from([from.clone()]);
        while let Some(holder) = next.pop_front() {
            let way = ways.get(&holder).cloned().unwrap_or_default();
            if self.is_administrator(&holder) {
                return Some(way);
            }
            if way.len() == most {
                continue;
            }
            for step in self.steps(&holder) {
                if let Entry::Vacant(found) = ways.entry(step.gives.clone()) {
                    next.push_back(step.gives.clone());
                    found.insert([&way[..], slice::from_ref(&step)].concat());
                }
            }
        }
        None
    }
}
