//! Volumes of pods derived from a workload. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Kinds of volumes that every pod has for itself, or that are read-only.
const OF_ONE_POD: &[&str] = &["configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "projected", "secret"];

/// Replacement for a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataVolume {
    /// Name of a claim in the pod's namespace.
    Claim(String),
    /// An empty folder, which lives as long as its pod.
    Empty {
        /// Maximum size, as a Kubernetes quantity, such as `2Gi`. A pod that writes more is evicted.
        size_limit: String,
    },
}

impl DataVolume {
    fn volume(&self, name: &str) -> Value {
        match self {
            Self::Claim(claim) => json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}),
            Self::Empty { size_limit } => json!({"name": name, "emptyDir": {"sizeLimit": size_limit}}),
        }
    }
}

/// Returns the claims of a workload's volumes, by volume name; for a `StatefulSet`, those of its first pod. A drill
/// must replace these volumes.
pub fn claims(workload: &Value) -> BTreeMap<String, String> {
    let claim = |(name, volume): (String, Value)| {
        let claim = volume.pointer("/persistentVolumeClaim/claimName")?.as_str()?.to_owned();
        Some((name, claim))
    };
    declared_volumes(workload).into_iter().filter_map(claim).collect()
}

/// Returns the volumes of a template by name. Those of claim templates take precedence, as they do in pods.
fn declared_volumes(workload: &Value) -> BTreeMap<String, Value> {
    let listed = |pointer: &str| workload.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let plain = listed("/spec/template/spec/volumes").into_iter().filter_map(|volume| {
        let name = volume["name"].as_str()?.to_owned();
        Some((name, volume))
    });
    let set = workload["metadata"]["name"].as_str().unwrap_or_default();
    let first = workload.pointer("/spec/ordinals/start").and_then(Value::as_u64).unwrap_or(0);
    let claimed = listed("/spec/volumeClaimTemplates").into_iter().filter_map(|template| {
        let name = template["metadata"]["name"].as_str()?.to_owned();
        let volume = DataVolume::Claim(format!("{name}-{set}-{first}")).volume(&name);
        Some((name, volume))
    });
    plain.chain(claimed).collect()
}

/// Returns the volumes that a pod needs, with some of them replaced. In another namespace, fails if a volume that would
/// share data with the workload is not replaced.
pub(super) fn of(
    workload: &Value,
    mounted: &BTreeMap<String, bool>,
    replaced: &BTreeMap<String, DataVolume>,
    is_beside: bool,
) -> Result<Vec<Value>, String> {
    let declared = declared_volumes(workload);
    if let Some(name) = replaced.keys().find(|name| !mounted.contains_key(*name)) {
        return Err(format!("its container does not mount the volume {name}"));
    }
    let volume = |(name, writable): (&String, &bool)| {
        let volume =
            declared.get(name).ok_or_else(|| format!("it mounts the volume {name}, which it does not have"))?;
        match replaced.get(name) {
            Some(replacement) => Ok(replacement.volume(name)),
            None if is_beside || !is_shared(volume, *writable) => Ok(without_tokens(volume.clone())),
            None => Err(format!("a drill would share its volume {name}, and nothing was named in its place")),
        }
    };
    mounted.iter().map(volume).collect()
}

/// Returns true if pods in several namespaces would share the data of this volume, or if only one of them can have it.
fn is_shared(volume: &Value, writable: bool) -> bool {
    let kind = volume.as_object().into_iter().flatten().map(|(field, _)| field.as_str()).find(|field| *field != "name");
    match kind {
        // A volume without a kind is an empty folder.
        None => false,
        Some("hostPath") => writable,
        Some(kind) => !OF_ONE_POD.contains(&kind),
    }
}

/// Removes the tokens of an account: these pods do not act in the cluster.
fn without_tokens(mut volume: Value) -> Value {
    if let Some(sources) = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut) {
        sources.retain(|source| source.get("serviceAccountToken").is_none());
    }
    volume
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(volumes: &Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
            "spec": {
                "template": {"spec": {"volumes": volumes}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            },
        })
    }

    fn one(volume: &Value, writable: bool, is_beside: bool) -> Result<Vec<Value>, String> {
        let name = volume["name"].as_str().unwrap().to_owned();
        of(&workload(&json!([volume])), &BTreeMap::from([(name, writable)]), &BTreeMap::new(), is_beside)
    }

    #[test]
    fn claims_are_named_like_the_controllers() {
        let mut workload = workload(&json!([
            {"name": "models", "persistentVolumeClaim": {"claimName": "weights", "readOnly": true}},
            {"name": "data", "emptyDir": {}},
            {"name": "scratch", "emptyDir": {}},
        ]));
        let named = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(volume, claim)| ((*volume).to_owned(), (*claim).to_owned())).collect()
        };
        assert_eq!(claims(&workload), named(&[("data", "data-db-0"), ("models", "weights")]));
        workload["spec"]["ordinals"] = json!({"start": 5});
        assert_eq!(claims(&workload)["data"], "data-db-5");
        workload["spec"]["volumeClaimTemplates"] = Value::Null;
        assert_eq!(claims(&workload), named(&[("models", "weights")]));
    }

    #[test]
    fn drill_shares_no_data() {
        for (volume, writable, is_free) in [
            (json!({"name": "v", "emptyDir": {}}), true, true),
            (json!({"name": "v"}), true, true),
            (json!({"name": "v", "secret": {"secretName": "s"}}), true, true),
            (json!({"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}), true, true),
            (json!({"name": "v", "hostPath": {"path": "/srv"}}), true, false),
            (json!({"name": "v", "hostPath": {"path": "/etc/localtime"}}), false, true),
            (json!({"name": "v", "nfs": {"server": "192.0.2.7", "path": "/"}}), false, false),
            (json!({"name": "v", "nfs": {}}), true, false),
            (json!({"name": "v", "persistentVolumeClaim": {"claimName": "c"}}), false, false),
        ] {
            assert_eq!(one(&volume, writable, true), Ok(vec![volume.clone()]), "beside the workload");
            let refusal = "a drill would share its volume v, and nothing was named in its place".to_owned();
            let expected = if is_free { Ok(vec![volume.clone()]) } else { Err(refusal) };
            assert_eq!(one(&volume, writable, false), expected, "{volume} writable: {writable}");
        }
    }

    #[test]
    fn service_account_tokens_are_omitted() {
        let volume = json!({"name": "v", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}}, {"secret": {"name": "s"}},
        ]}});
        let without = json!({"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}});
        assert_eq!(one(&volume, true, true), Ok(vec![without]));
    }

    #[test]
    fn unfit_volumes_are_refused() {
        let mounted = BTreeMap::from([("data".to_owned(), true), ("lost".to_owned(), true)]);
        let workload = workload(&json!([]));
        assert_eq!(
            of(&workload, &mounted, &BTreeMap::new(), true),
            Err("it mounts the volume lost, which it does not have".to_owned())
        );
        let replaced = BTreeMap::from([("other".to_owned(), DataVolume::Claim("c".to_owned()))]);
        assert_eq!(
            of(&workload, &mounted, &replaced, true),
            Err("its container does not mount the volume other".to_owned())
        );
    }
}
