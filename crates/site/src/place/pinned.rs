//! The place of an operation, which record 0 of its journal pins.

use landfall_host::node::NodeIdentity;
use serde::{Deserialize, Serialize};

/// Place on which an operation acts. The serialized form of a host is its node's identity, as in the first journals.
/// Another kind of place needs a field of its own in record 0, which older programs then refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NodeIdentity", into = "NodeIdentity")]
pub enum Place {
    /// One host, which is the only node of the site's own cluster.
    Host(NodeIdentity),
}

impl Place {
    /// Returns the name and address of its host in the cluster.
    pub fn node(&self) -> &NodeIdentity {
        let Self::Host(node) = self;
        node
    }
}

impl From<NodeIdentity> for Place {
    fn from(node: NodeIdentity) -> Self {
        Self::Host(node)
    }
}

impl From<Place> for NodeIdentity {
    fn from(place: Place) -> Self {
        let Place::Host(node) = place;
        node
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn host_is_stored_as_its_node() {
        let stored = json!({"name": "node", "address": "192.0.2.1"});
        let place: Place = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(place.node().name, "node");
        assert_eq!(serde_json::to_value(&place).unwrap(), stored);
    }

    #[test]
    fn unknown_field_of_place_is_refused() {
        let stored = json!({"name": "node", "address": "192.0.2.1", "cluster": "other"});
        let error = serde_json::from_value::<Place>(stored).unwrap_err();
        assert!(error.to_string().starts_with("unknown field `cluster`"), "{error}");
    }
}
