//! A graph of ways to become the administrator of a running cluster. Its nodes are identities and other sources of
//! rights, such as a node's files. Its edges are actions that a right allows.
//!
//! The graph ignores flaws of programs, traffic that a pod on the host's network can capture, and names and endpoints
//! that redirect clients. It also ignores resources that other software adds, and secrets whose contents only their
//! owner understands.

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

/// A source of rights.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A service account.
    Account {
        /// Namespace of the account.
        namespace: String,
        /// Name of the account.
        name: String,
    },
    /// A user named by a certificate.
    User(String),
    /// A group of users.
    Group(String),
    /// A role that could be bound, in the cluster or in one namespace.
    Role {
        /// Name of the role.
        role: RoleName,
        /// Namespace of the binding; None for the whole cluster.
        namespace: Option<String>,
    },
    /// Every right in a namespace.
    Namespace(String),
    /// A node's identity at the API server.
    Node,
    /// The files and processes of a control plane node.
    Host,
    /// Every right in the cluster.
    Administrator,
}

impl Holder {
    fn account(namespace: &str, name: &str) -> Self {
        Self::Account { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// Name of a role of a namespace or of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName {
    /// Namespace; None for a `ClusterRole`.
    pub namespace: Option<String>,
    /// Name in the namespace or cluster.
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

/// An action, and the rights it gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// Description of the action.
    pub act: String,
    /// Source of rights that it gives.
    pub gives: Holder,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.act, self.gives)
    }
}

/// Formats a path as text.
#[must_use]
pub fn format_path(path: &[Step]) -> String {
    path.iter().map(Step::to_string).collect::<Vec<_>>().join("; ")
}

impl Cluster {
    /// Returns the shortest path to every right of the cluster, with at most `most` steps. The path is empty if the
    /// holder already has all rights.
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
