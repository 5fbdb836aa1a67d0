//! Rights of a cluster's user, checked with the API server before any change.

use std::fmt;

use http::Method;
use serde_json::{Value, json};

use super::connection::Call;
use super::{Cluster, ClusterError};

/// Path under which every user may query their own rights.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// A right of the core group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right<'a> {
    /// Verb, such as `create`.
    pub verb: &'static str,
    /// Resource, such as `pods` or `pods/log`.
    pub resource: &'static str,
    /// Namespace in which the right is needed; `None` for the whole cluster.
    pub namespace: Option<&'a str>,
}

impl fmt::Display for Right<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.resource)?;
        match self.namespace {
            Some(namespace) => write!(formatter, " in the namespace {namespace}"),
            None => Ok(()),
        }
    }
}

impl Right<'_> {
    fn review(&self) -> Value {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": "", "verb": self.verb, "resource": resource, "subresource": subresource,
                "namespace": self.namespace.unwrap_or_default(),
            }},
        })
    }
}

impl Cluster {
    /// Returns the rights that this user lacks. Changes nothing.
    pub fn missing_rights<'a>(&self, needed: &[Right<'a>]) -> Result<Vec<Right<'a>>, ClusterError> {
        let mut missing = Vec::new();
        for right in needed {
            if !self.has(right)? {
                missing.push(*right);
            }
        }
        Ok(missing)
    }

    fn has(&self, right: &Right<'_>) -> Result<bool, ClusterError> {
        let what = format!("whether this user may {right}");
        let answer = self.call_json(&Call {
            method: Method::POST,
            path: REVIEWS.to_owned(),
            content_type: "application/json",
            body: right.review().to_string().into_bytes(),
            verb: "ask",
            what: &what,
        })?;
        Ok(answer["status"]["allowed"] == true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_is_reviewed_as_named() {
        let log = Right { verb: "get", resource: "pods/log", namespace: Some("probe") };
        assert_eq!(log.to_string(), "get pods/log in the namespace probe");
        let asked = &log.review()["spec"]["resourceAttributes"];
        for (field, value) in [("verb", "get"), ("resource", "pods"), ("subresource", "log"), ("namespace", "probe")] {
            assert_eq!(asked[field], value);
        }
        let nodes = Right { verb: "list", resource: "nodes", namespace: None };
        assert_eq!(nodes.to_string(), "list nodes");
        assert_eq!(nodes.review()["spec"]["resourceAttributes"]["namespace"], "");
    }
}
