//! Fields of objects that hold images: in containers and image volumes.
//!
//! Other fields named `image` may hold anything: a picture, a name, the image of a block device. For custom resources,
//! a table lists the fields that are references, and the release extends it.

use landfall_bundle_spec::Sha256;
use serde_json::Value;

use super::escape;
use super::fields::of_tables;
use crate::definition::ImageFieldDefinition;
use crate::reference::Reference;

/// Fields with lists of containers, in custom resources as in pods.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// API groups whose operators compose an image from `repository`, `image` and `version`, and accept a digest as
/// version.
const TRIPLES_BY_DIGEST: [&str; 2] = ["nvidia.com", "mellanox.com"];

/// Sets of fields that name an image together: the part before the last `/`, the rest of the repository, the tag.
const TRIPLES: [[&str; 3]; 2] = [["repository", "image", "version"], ["registry", "repository", "tag"]];

/// Pair of fields that name an image together, below a field named after an image: the full repository, and the tag.
const PAIR: [&str; 2] = ["repository", "tag"];

/// A field of an object that names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// JSON Pointer of the field that gets the pinned value.
    pub pointer: String,
    /// The reference as written, composed if it has several fields.
    pub written: String,
    form: Form,
}

/// Form in which a field accepts the pinned reference.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// The whole reference.
    Whole,
    /// The whole reference, after a prefix.
    Behind(String),
    /// Only the tag, followed by the digest.
    Tag,
    /// The digest in place of the tag.
    Digest,
}

impl Spot {
    /// The value of the field with the pinned digest.
    pub fn pinned_value(&self, pinned: &Reference, digest: Sha256) -> String {
        match &self.form {
            Form::Whole => pinned.with_digest(digest).to_string(),
            Form::Behind(prefix) => format!("{prefix}{}", pinned.with_digest(digest)),
            Form::Tag => format!("{}@{digest}", pinned.tag.as_deref().unwrap_or("latest")),
            Form::Digest => digest.to_string(),
        }
    }

    /// Returns true if one text names the image, rather than several fields together.
    pub fn is_one_text(&self) -> bool {
        matches!(self.form, Form::Whole | Form::Behind(_))
    }
}

/// Returns true if the kind of an object is not one of Kubernetes itself.
pub fn is_custom(object: &Value) -> bool {
    // API groups of Kubernetes have no dot, or end with `k8s.io`.
    group(object).is_some_and(|group| group.contains('.') && !group.ends_with(".k8s.io"))
}

fn group(object: &Value) -> Option<&str> {
    Some(object["apiVersion"].as_str()?.split_once('/')?.0)
}

/// All fields of an object that are known to name an image, including those in the release's table (`own`).
pub fn spots(object: &Value, own: &[ImageFieldDefinition]) -> Vec<Spot> {
    let mut found = Vec::new();
    if object["kind"] == "CustomResourceDefinition" {
        return found;
    }
    let walk = Walk { object, is_custom: is_custom(object) };
    walk.value(object, "", &mut found);
    for field in of_tables(object, own) {
        if found.iter().all(|spot| spot.pointer != field.pointer) {
            let form = if field.prefix.is_empty() { Form::Whole } else { Form::Behind(field.prefix) };
            found.push(Spot { pointer: field.pointer, written: field.written, form });
        }
    }
    found
}

/// Texts in a custom resource that may be images, by the names of their fields, but are in no table.
pub fn doubtful<'a>(object: &'a Value, own: &[ImageFieldDefinition]) -> Vec<(String, &'a str)> {
    let mut found = Vec::new();
    if is_custom(object) {
        let known = spots(object, own);
        fields(object, "", &mut |pointer, key, text| {
            let named = key == "image" || key == "imageName" || key.ends_with("Image");
            // The parts of a composed image are sibling fields; a sibling of an image in one text may be another image.
            let is_known = known
                .iter()
                .any(|spot| spot.pointer == pointer || !spot.is_one_text() && parent(&spot.pointer) == parent(pointer));
            if named && !is_known && !pointer.starts_with("/metadata/") {
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
        (key == "image" && is_of_container(pointer)) || (!self.is_custom && is_of_image_volume(pointer))
    }

    /// The image that fields of an object name together.
    fn triple(&self, value: &Value, pointer: &str) -> Option<Spot> {
        let group = group(self.object).unwrap_or_default();
        let by_digest = TRIPLES_BY_DIGEST.contains(&group);
        let text = |key: &str| value[key].as_str().filter(|text| !text.is_empty());
        let spot = |repository: String, key: &str| {
            let tag = text(key)?;
            let separator = if tag.starts_with("sha256:") { '@' } else { ':' };
            let written = format!("{repository}{separator}{tag}");
            written.parse::<Reference>().ok()?;
            let form = if by_digest { Form::Digest } else { Form::Tag };
            Some(Spot { pointer: format!("{pointer}/{key}"), written, form })
        };
        let of_three =
            TRIPLES.iter().find_map(|[host, path, tag]| spot(format!("{}/{}", text(host)?, text(path)?), tag));
        let [repository, tag] = PAIR;
        let is_called_image = ["/image", "Image"].iter().any(|end| pointer.ends_with(end));
        of_three.or_else(|| spot(text(repository).filter(|_| is_called_image)?.to_owned(), tag))
    }
}

/// Returns true for the pointer of a container's field: `…/containers/0/image`.
fn is_of_container(pointer: &str) -> bool {
    let mut segments = pointer.rsplit('/').skip(1);
    let is_number = segments.next().is_some_and(|index| index.parse::<usize>().is_ok());
    is_number && segments.next().is_some_and(|list| CONTAINERS.contains(&list))
}

/// Returns true for the pointer of the reference of an image volume: `…/volumes/0/image/reference`.
fn is_of_image_volume(pointer: &str) -> bool {
    let volume = pointer.strip_suffix("/image/reference").and_then(|volume| volume.rsplit_once('/'));
    volume.is_some_and(|(list, index)| list.ends_with("/volumes") && index.parse::<usize>().is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spot_texts(object: &Value) -> Vec<(String, String)> {
        spots(object, &[]).into_iter().map(|spot| (spot.pointer, spot.written)).collect()
    }

    #[test]
    fn image_table_covers_custom_resources() {
        let cluster = json!({
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": { "name": "a" },
            "spec": { "imageName": "ghcr.io/cloudnative-pg/postgresql:17", "image": "a picture.png", "logoImage": "x" },
        });
        assert_eq!(spot_texts(&cluster), [("/spec/imageName".into(), "ghcr.io/cloudnative-pg/postgresql:17".into())]);
        let policy = json!({
            "apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": { "name": "a" },
            "spec": { "driver": { "repository": "nvcr.io/nvidia", "image": "driver", "version": "580.1",
                "enabled": true } },
        });
        let spot = &spots(&policy, &[])[0];
        assert_eq!(
            (spot.pointer.as_str(), spot.written.as_str()),
            ("/spec/driver/version", "nvcr.io/nvidia/driver:580.1")
        );
        let pinned: Reference = "nvcr.io/nvidia/driver:580.1".parse().expect("reference");
        assert_eq!(spot.pinned_value(&pinned, Sha256([7; 32])), Sha256([7; 32]).to_string());
        assert!(doubtful(&policy, &[]).is_empty(), "what is bound is in no doubt");
        let chart = json!({
            "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "a" },
            "spec": { "image": { "registry": "ghcr.io", "repository": "a/b", "tag": "1" },
                      "template": { "spec": { "containers": [{ "name": "c", "image": "busybox" }] } } },
        });
        let spots = spots(&chart, &[]);
        assert_eq!(spots[0].written, "ghcr.io/a/b:1");
        assert_eq!(
            spots[0].pinned_value(&"ghcr.io/a/b:1".parse().expect("reference"), Sha256([7; 32])),
            format!("1@{}", Sha256([7; 32]))
        );
        assert_eq!(spots[1].pointer, "/spec/template/spec/containers/0/image");
    }

    #[test]
    fn builtin_kinds_name_known_image_fields() {
        let rbd = json!({ "monitors": ["a:6789"], "pool": "kube", "image": "disk-1" });
        let pod = json!({
            "initContainers": [{ "name": "a", "image": "ghcr.io/a/a:1" }],
            "containers": [{ "name": "b", "image": "ghcr.io/a/b:1", "env": [{ "name": "image", "value": "x" }] }],
            "volumes": [{ "name": "c", "rbd": rbd }, { "name": "d", "image": { "reference": "ghcr.io/a/d:1" } }],
        });
        let kind = |kind: &str, version: &str, spec: Value| {
            json!({ "apiVersion": version, "kind": kind,
            "metadata": { "name": "a" }, "spec": spec })
        };
        let workload = kind("Deployment", "apps/v1", json!({ "template": { "spec": pod } }));
        let written: Vec<_> = spot_texts(&workload).into_iter().map(|(_, written)| written).collect();
        assert_eq!(written, ["ghcr.io/a/b:1", "ghcr.io/a/a:1", "ghcr.io/a/d:1"]);
        assert!(spot_texts(&kind("PersistentVolume", "v1", json!({ "rbd": rbd }))).is_empty());
    }

    #[test]
    fn unknown_image_fields_are_suspected() {
        let thing = json!({
            "apiVersion": "example.com/v1", "kind": "Thing",
            "metadata": { "name": "a", "annotations": { "image": "x" } },
            "spec": { "image": "a picture", "sidecarImage": "ghcr.io/a/b:1", "name": "c" },
        });
        assert!(spots(&thing, &[]).is_empty());
        let fields: Vec<_> = doubtful(&thing, &[]).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(fields, ["/spec/image", "/spec/sidecarImage"]);
    }

    #[test]
    fn repository_and_tag_form_image() {
        let thing = json!({
            "apiVersion": "qdrantoperator.io/v1alpha1", "kind": "QdrantCluster", "metadata": { "name": "a" },
            "spec": { "image": { "repository": "qdrant/qdrant", "tag": "v1.17.0" },
                      "source": { "repository": "team/settings", "tag": "v1" } },
        });
        assert_eq!(spot_texts(&thing), [("/spec/image/tag".to_owned(), "qdrant/qdrant:v1.17.0".to_owned())]);
    }

    #[test]
    fn release_table_adds_image_fields() {
        let thing = json!({
            "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "a" },
            "spec": { "image": "ghcr.io/a/b:1", "sidecarImage": "ghcr.io/a/c:1", "url": "docker://ghcr.io/a/d:1" },
        });
        let field = |path: &str, prefix: &str| -> ImageFieldDefinition {
            let text = format!("group: example.com\nkind: Thing\npath: {path}\nprefix: '{prefix}'\n");
            serde_saphyr::from_str(&text).expect("field")
        };
        let own = [field("/spec/image", ""), field("/spec/url", "docker://")];
        let spots = spots(&thing, &own);
        let written: Vec<_> = spots.iter().map(|spot| spot.written.as_str()).collect();
        assert_eq!(written, ["ghcr.io/a/b:1", "ghcr.io/a/d:1"]);
        let pinned: Reference = "ghcr.io/a/d:1".parse().expect("reference");
        let digest = Sha256([7; 32]);
        assert_eq!(spots[1].pinned_value(&pinned, digest), format!("docker://ghcr.io/a/d:1@{digest}"));
        assert_eq!(doubtful(&thing, &own), [("/spec/sidecarImage".to_owned(), "ghcr.io/a/c:1")]);
    }
}
