//! The quantities that a license limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms::Entitlements;

/// Metric that a license limits by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Nodes of the cluster.
    Nodes,
    /// Namespaces other than Kubernetes' own.
    Namespaces,
    /// GPUs of the site's hosts.
    Gpus,
    /// Users of the console.
    Users,
}

impl Metric {
    /// All metrics, in the order in which people read them.
    pub const ALL: [Self; 4] = [Self::Nodes, Self::Namespaces, Self::Gpus, Self::Users];

    /// Name of the metric for people, in the plural.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Namespaces => "namespaces",
            Self::Gpus => "GPUs",
            Self::Users => "users",
        }
    }

    /// ID of the metric in documents.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Namespaces => "namespaces",
            Self::Gpus => "gpus",
            Self::Users => "users",
        }
    }

    /// Returns a number with its unit, such as `1 node`.
    pub fn format_count(self, count: u64) -> String {
        let name = self.name();
        if count == 1 { format!("1 {}", name.trim_end_matches('s')) } else { format!("{count} {name}") }
    }
}

/// Number for each metric. An absent count is not known; an absent limit means that there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// Number of nodes of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// Number of namespaces, except those of Kubernetes and of drills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<u64>,
    /// Number of GPUs of the site's hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
    /// Number of users of the console who can sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
}

impl Counts {
    /// Returns the limits of a license.
    pub const fn limits(entitlements: &Entitlements) -> Self {
        let Entitlements { nodes, namespaces, gpus, users, .. } = entitlements;
        Self { nodes: *nodes, namespaces: *namespaces, gpus: *gpus, users: *users }
    }

    /// Returns the number of a metric.
    pub const fn of(&self, metric: Metric) -> Option<u64> {
        match metric {
            Metric::Nodes => self.nodes,
            Metric::Namespaces => self.namespaces,
            Metric::Gpus => self.gpus,
            Metric::Users => self.users,
        }
    }

    /// Returns the greater number of each metric; a known number is greater than an unknown one.
    #[must_use]
    pub fn peak(self, other: Self) -> Self {
        Self {
            nodes: self.nodes.max(other.nodes),
            namespaces: self.namespaces.max(other.namespaces),
            gpus: self.gpus.max(other.gpus),
            users: self.users.max(other.users),
        }
    }
}
