//! Claims that a release declares, from its rendered objects. They show the component of a kept volume and the access
//! modes of its claim.

use serde_json::Value;

use super::KeptVolume;
use crate::operations::bundle::TrustedRelease;
use crate::steps::objects::read_document;

/// A claim that an object of a component declares.
pub(super) struct DeclaredClaim {
    pub(super) component: String,
    namespace: String,
    /// The claim's name, or the prefix of a `StatefulSet`'s claims, which end with a replica's number.
    name: String,
    of_replicas: bool,
    pub(super) access_modes: Vec<String>,
}

impl DeclaredClaim {
    /// Returns true if a volume belongs to the claim or to one of its replicas.
    pub(super) fn owns(&self, volume: &KeptVolume) -> bool {
        self.is(&volume.namespace, &volume.claim)
    }

    fn is(&self, namespace: &str, claim: &str) -> bool {
        let is_named = match claim.strip_prefix(&self.name) {
            Some(rest) if self.of_replicas => is_number(rest),
            Some(rest) => rest.is_empty(),
            None => false,
        };
        self.namespace == namespace && is_named
    }

    /// Returns the folder name that would make a volume belong to this claim. A replica keeps its number.
    pub(super) fn folder_of(&self, volume: &KeptVolume) -> String {
        let number = volume.claim.rsplit('-').next().filter(|number| self.of_replicas && is_number(number));
        let number = number.unwrap_or(if self.of_replicas { "0" } else { "" });
        format!("{}_{}_{}{number}", volume.volume(), self.namespace, self.name)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the claims that the objects of the release's components declare, without claims that an operator creates.
pub(super) fn declared_claims(release: &TrustedRelease) -> Vec<DeclaredClaim> {
    let mut claims = Vec::new();
    for component in &release.release.components {
        let objects = read_document(&release.documents, &component.objects).unwrap_or_default();
        for object in &objects {
            claims.extend(of_object(object, &component.name, &component.namespace));
        }
    }
    claims
}

pub(super) fn of_object(object: &Value, component: &str, default_namespace: &str) -> Vec<DeclaredClaim> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let claim = |claim: &Value, name: String, of_replicas| DeclaredClaim {
        component: component.to_owned(),
        namespace: object["metadata"]["namespace"].as_str().unwrap_or(default_namespace).to_owned(),
        name,
        of_replicas,
        access_modes: claim["spec"]["accessModes"]
            .as_array()
            .map(|modes| modes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default(),
    };
    match object["kind"].as_str() {
        Some("PersistentVolumeClaim") => vec![claim(object, name.to_owned(), false)],
        Some("StatefulSet") => {
            let templates = object["spec"]["volumeClaimTemplates"].as_array().map(Vec::as_slice).unwrap_or_default();
            let of_template = |template: &Value| {
                let prefix = format!("{}-{name}-", template["metadata"]["name"].as_str().unwrap_or_default());
                claim(template, prefix, true)
            };
            templates.iter().map(of_template).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replica_and_plain_claims_are_recognized() {
        let set = json!({
            "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "data"},
            "spec": {"volumeClaimTemplates": [{
                "metadata": {"name": "disk"}, "spec": {"accessModes": ["ReadWriteOncePod"]},
            }]},
        });
        let claims = of_object(&set, "postgres", "other");
        assert_eq!((claims.len(), claims[0].component.as_str()), (1, "postgres"));
        assert_eq!(claims[0].access_modes, ["ReadWriteOncePod"]);
        assert!(claims[0].is("data", "disk-db-0") && claims[0].is("data", "disk-db-12"));
        for (namespace, claim) in
            [("other", "disk-db-0"), ("data", "disk-db-"), ("data", "disk-db-x"), ("data", "disk-dbx-0")]
        {
            assert!(!claims[0].is(namespace, claim), "{namespace}/{claim}");
        }
        let plain = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "files"}});
        let claims = of_object(&plain, "web", "site");
        assert!(claims[0].is("site", "files") && !claims[0].is("site", "files-0"));
        assert!(of_object(&json!({"kind": "ConfigMap"}), "web", "site").is_empty());
    }
}
