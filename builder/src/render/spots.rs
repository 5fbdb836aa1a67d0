//! Where objects name images. Kubernetes' own kinds have `image` fields; of custom resources a table says which fields are
//! references, since an `image` of theirs may be anything: a picture, a name, a part of a reference.

use landfall_bundle_spec::Sha256;
use serde_json::Value;

use super::escape;
use crate::reference::Reference;

/// Lists of containers, in custom resources as in pods.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Fields of custom resources that are references: group, kind, and the pointer, `*` for any one segment.
const REFERENCES: [(&str, &str, &str); 18] = [
    ("postgresql.cnpg.io", "Cluster", "/spec/imageName"),
    ("postgresql.cnpg.io", "ImageCatalog", "/spec/images/*/image"),
    ("postgresql.cnpg.io", "ClusterImageCatalog", "/spec/images/*/image"),
    ("postgresql.cnpg.io", "Pooler", "/spec/template/spec/containers/*/image"),
    ("monitoring.coreos.com", "Prometheus", "/spec/image"),
    ("monitoring.coreos.com", "PrometheusAgent", "/spec/image"),
    ("monitoring.coreos.com", "Alertmanager", "/spec/image"),
    ("monitoring.coreos.com", "ThanosRuler", "/spec/image"),
    ("grafana.integreatly.org", "Grafana", "/spec/version"),
    ("k8s.mariadb.com", "MariaDB", "/spec/image"),
    ("kafka.strimzi.io", "Kafka", "/spec/kafka/image"),
    ("kafka.strimzi.io", "KafkaConnect", "/spec/image"),
    ("opensearch.opster.io", "OpenSearchCluster", "/spec/general/image"),
    ("ray.io", "RayCluster", "/spec/*/template/spec/containers/*/image"),
    ("redis.redis.opstreelabs.in", "Redis", "/spec/kubernetesConfig/image"),
    ("minio.min.io", "Tenant", "/spec/image"),
    ("argoproj.io", "ArgoCD", "/spec/image"),
    ("opentelemetry.io", "OpenTelemetryCollector", "/spec/image"),
];

/// Groups whose operators put an image together of `repository`, `image` and `version`, and take a digest as version.
const TRIPLES_BY_DIGEST: [&str; 2] = ["nvidia.com", "mellanox.com"];

/// Sets of fields that name an image together: what comes before the last `/`, the rest of the repository, the tag.
const TRIPLES: [[&str; 3]; 2] = [["repository", "image", "version"], ["registry", "repository", "tag"]];

/// One place where an object names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The field that is replaced by what the lock pins.
    pub pointer: String,
    /// The reference as it is written, put together where it is written in parts.
    pub written: String,
    form: Form,
}

/// How a spot takes a pinned reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As one text.
    Whole,
    /// Its tag with the digest behind it, in a field of its own.
    Tag,
    /// Its digest in place of the tag.
    Digest,
}

impl Spot {
    /// What its field says once it is bound.
    pub fn bound(&self, pinned: &Reference, digest: Sha256) -> String {
        match self.form {
            Form::Whole => pinned.with_digest(digest).to_string(),
            Form::Tag => format!("{}@{digest}", pinned.tag.as_deref().unwrap_or("latest")),
            Form::Digest => digest.to_string(),
        }
    }
}

/// Whether an object is of a kind that Kubernetes itself does not have.
pub fn is_custom(object: &Value) -> bool {
    // Kubernetes' own groups have no dot or end with k8s.io.
    group(object).is_some_and(|group| group.contains('.') && !group.ends_with(".k8s.io"))
}

fn group(object: &Value) -> Option<&str> {
    Some(object["apiVersion"].as_str()?.split_once('/')?.0)
}

/// Every place of an object that is known to name an image.
pub fn spots(object: &Value) -> Vec<Spot> {
    let mut found = Vec::new();
    if object["kind"] == "CustomResourceDefinition" {
        return found;
    }
    let walk = Walk { object, is_custom: is_custom(object) };
    walk.value(object, "", &mut found);
    found
}

/// Texts of a custom resource that may be images by the names of their fields, and that no table knows.
pub fn doubtful(object: &Value) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    if is_custom(object) {
        let known: Vec<_> = spots(object).into_iter().map(|spot| spot.pointer).collect();
        fields(object, "", &mut |pointer, key, text| {
            let named = key == "image" || key == "imageName" || key.ends_with("Image");
            let in_triple = known.iter().any(|spot| parent(spot) == parent(pointer));
            if named && !in_triple && !pointer.starts_with("/metadata/") {
                found.push((pointer.to_owned(), text));
            }
        });
    }
    found
}

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn fields<'a>(value: &'a Value, pointer: &str, found: &mut dyn FnMut(&str, &str, &'a str)) {
    match value {
        Value::Object(map) => {
            for (key, field) in map {
                let pointer = format!("{pointer}/{}", escape(key));
                match field {
                    Value::String(text) => found(&pointer, key, text),
                    field => fields(field, &pointer, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                fields(item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

struct Walk<'a> {
    object: &'a Value,
    is_custom: bool,
}

impl Walk<'_> {
    fn value(&self, value: &Value, pointer: &str, found: &mut Vec<Spot>) {
        match value {
            Value::Object(map) => {
                if self.is_custom && !pointer.is_empty() {
                    found.extend(self.triple(value, pointer));
                }
                for (key, field) in map {
                    let pointer = format!("{pointer}/{}", escape(key));
                    match field {
                        Value::String(text) if self.names_image(&pointer, key) => {
                            found.push(Spot { pointer, written: text.clone(), form: Form::Whole });
                        }
                        field => self.value(field, &pointer, found),
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{pointer}/{index}"), found);
                }
            }
            _ => {}
        }
    }

    fn names_image(&self, pointer: &str, key: &str) -> bool {
        if self.is_custom {
            return key == "image" && is_of_container(pointer) || self.is_in_table(pointer);
        }
        let free_text = pointer.starts_with("/data/") || pointer.starts_with("/metadata/");
        !free_text && (key == "image" || (key == "reference" && pointer.ends_with("/image/reference")))
    }

    fn is_in_table(&self, pointer: &str) -> bool {
        let kind = self.object["kind"].as_str();
        REFERENCES.iter().any(|(group, of_kind, path)| {
            self::group(self.object) == Some(group) && kind == Some(of_kind) && fits(path, pointer)
        })
    }

    /// The image that an object's fields name together.
    fn triple(&self, value: &Value, pointer: &str) -> Option<Spot> {
        let group = group(self.object).unwrap_or_default();
        let by_digest = TRIPLES_BY_DIGEST.contains(&group);
        TRIPLES.iter().find_map(|keys| {
            let [host, path, tag] = keys.map(|key| value[key].as_str().filter(|text| !text.is_empty()));
            let (host, path, tag) = (host?, path?, tag?);
            let separator = if tag.starts_with("sha256:") { '@' } else { ':' };
            let written = format!("{host}/{path}{separator}{tag}");
            written.parse::<Reference>().ok()?;
            let form = if by_digest { Form::Digest } else { Form::Tag };
            Some(Spot { pointer: format!("{pointer}/{}", keys[2]), written, form })
        })
    }
}

/// Whether a pointer is that of a field of a container: `…/containers/0/image`.
fn is_of_container(pointer: &str) -> bool {
    let mut segments = pointer.rsplit('/').skip(1);
    let is_number = segments.next().is_some_and(|index| index.parse::<usize>().is_ok());
    is_number && segments.next().is_some_and(|list| CONTAINERS.contains(&list))
}

fn fits(pattern: &str, pointer: &str) -> bool {
    let (pattern, pointer): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), pointer.split('/').collect());
    pattern.len() == pointer.len()
        && pattern.iter().zip(&pointer).all(|(wanted, found)| *wanted == "*" || wanted == found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(object: &Value) -> Vec<(String, String)> {
        spots(object).into_iter().map(|spot| (spot.pointer, spot.written)).collect()
    }

    #[test]
    fn a_custom_resource_names_images_where_the_table_says_so() {
        let cluster = json!({
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": { "name": "a" },
            "spec": { "imageName": "ghcr.io/cloudnative-pg/postgresql:17", "image": "a picture.png", "logoImage": "x" },
        });
        assert_eq!(found(&cluster), [("/spec/imageName".into(), "ghcr.io/cloudnative-pg/postgresql:17".into())]);
        let policy = json!({
            "apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": { "name": "a" },
            "spec": { "driver": { "repository": "nvcr.io/nvidia", "image": "driver", "version": "580.1", "enabled": true } },
        });
        let spot = &spots(&policy)[0];
        assert_eq!(
            (spot.pointer.as_str(), spot.written.as_str()),
            ("/spec/driver/version", "nvcr.io/nvidia/driver:580.1")
        );
        let pinned: Reference = "nvcr.io/nvidia/driver:580.1".parse().expect("reference");
        assert_eq!(spot.bound(&pinned, Sha256([7; 32])), Sha256([7; 32]).to_string());
        assert!(doubtful(&policy).is_empty(), "what is bound is in no doubt");
        let chart = json!({
            "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "a" },
            "spec": { "image": { "registry": "ghcr.io", "repository": "a/b", "tag": "1" },
                      "template": { "spec": { "containers": [{ "name": "c", "image": "busybox" }] } } },
        });
        let spots = spots(&chart);
        assert_eq!(spots[0].written, "ghcr.io/a/b:1");
        assert_eq!(
            spots[0].bound(&"ghcr.io/a/b:1".parse().expect("reference"), Sha256([7; 32])),
            format!("1@{}", Sha256([7; 32]))
        );
        assert_eq!(spots[1].pointer, "/spec/template/spec/containers/0/image");
    }

    #[test]
    fn an_image_that_no_table_knows_is_doubtful_rather_than_taken() {
        let thing = json!({
            "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "a", "annotations": { "image": "x" } },
            "spec": { "image": "a picture", "sidecarImage": "ghcr.io/a/b:1", "name": "c" },
        });
        assert!(spots(&thing).is_empty());
        let fields: Vec<_> = doubtful(&thing).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(fields, ["/spec/image", "/spec/sidecarImage"]);
    }
}
