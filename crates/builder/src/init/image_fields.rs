//! Images in arguments, variables and settings, which specify what an operator's pods run. A site would lack them, so a
//! build refuses unknown ones.
//!
//! `init` lists such a field under `imageFields` if its whole text after a prefix is certainly an image. Then `lock`
//! also pins the image in later versions of a chart.

use serde_json::Value;

use super::plain::quote_scalar;
use crate::lock::Lock;
use crate::reference::Reference;
use crate::render::{Suspect, is_custom, is_registry};
use crate::rendered::{RenderedComponent, title};

/// Lists in a pod whose elements have names.
const NAMED_LISTS: [&str; 3] = ["containers", "initContainers", "env"];

/// Lists in a container with texts in an unstable order.
const ARGUMENTS: [&str; 2] = ["args", "command"];

/// A field with an image, in the form of `imageFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageField {
    group: String,
    kind: String,
    name: Option<String>,
    path: String,
    prefix: String,
    /// The image in the field.
    pub image: Reference,
}

impl ImageField {
    /// The entry as one line of YAML.
    pub fn line(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        let fields = [("group", &*self.group), ("kind", &self.kind), ("name", name), ("path", &self.path)];
        let fields = fields.into_iter().chain([("prefix", &*self.prefix)]).filter(|(_, value)| !value.is_empty());
        let fields: Vec<_> = fields.map(|(field, value)| format!("{field}: {}", quote_scalar(value))).collect();
        format!("  - {{{}}}\n", fields.join(", "))
    }
}

/// Fields of a component's objects that hold images, found among the suspicious texts.
pub fn find(component: &RenderedComponent, suspects: &[Suspect], lock: &Lock) -> Vec<ImageField> {
    let mut found: Vec<ImageField> = Vec::new();
    for suspect in suspects {
        let is_known = |object: &&Value| !is_custom(object) || is_defined(object, &component.objects);
        let mut objects = component.objects.iter().filter(|object| title(object) == suspect.title).filter(is_known);
        let field = objects.find_map(|object| field(object, suspect, lock));
        found.extend(field.filter(|field| !found.contains(field)));
    }
    found
}

/// Returns true if the component defines the kind of an object. An object of another kind may be absent, and then the
/// entry would match nothing and be refused.
fn is_defined(object: &Value, objects: &[Value]) -> bool {
    let group = object["apiVersion"].as_str().and_then(|version| version.split('/').next());
    let mut definitions = objects.iter().filter(|other| other["kind"] == "CustomResourceDefinition");
    definitions.any(|it| it["spec"]["group"].as_str() == group && it["spec"]["names"]["kind"] == object["kind"])
}

fn field(object: &Value, suspect: &Suspect, lock: &Lock) -> Option<ImageField> {
    let text = object.pointer(&suspect.pointer)?.as_str()?;
    let prefix = text.strip_suffix(suspect.word.as_str())?;
    let image: Reference = suspect.word.parse().ok()?;
    let is_of_lock =
        || lock.list(crate::lock::List::Images).iter().any(|it| it.reference.value.contains(&image.name()));
    let path = path(object, &suspect.pointer, !prefix.is_empty());
    let is_called_image = format!("{path}{prefix}").to_ascii_lowercase().contains("image");
    // `default/metrics:9090` may also be a host with a port.
    let has_registry = suspect.word.starts_with(image.host.as_str()) && is_registry(&image.host);
    let is_certain = is_called_image || has_registry || is_of_lock();
    if image.tag.is_none() || prefix.contains(char::is_whitespace) || !is_certain {
        return None;
    }
    let (version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?.to_owned());
    let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
    // The name of a Job differs in each version of a release.
    let name = object.pointer("/metadata/name").and_then(Value::as_str).filter(|_| kind != "Job").map(str::to_owned);
    Some(ImageField { group, kind, name, path, prefix: prefix.to_owned(), image })
}

/// Path of a field, in which list elements are selected by name, and an argument by its prefix.
fn path(object: &Value, pointer: &str, has_prefix: bool) -> String {
    let (mut path, mut plain, mut list) = (String::new(), String::new(), "");
    for segment in pointer.split('/').skip(1) {
        plain = format!("{plain}/{segment}");
        let name = || object.pointer(&plain)?.get("name")?.as_str();
        let named = name().filter(|name| NAMED_LISTS.contains(&list) && !name.contains(['/', '~', ']']));
        let segment_path = match named {
            Some(name) => format!("[name={name}]"),
            None if has_prefix && ARGUMENTS.contains(&list) => "*".to_owned(),
            None => segment.to_owned(),
        };
        path.push('/');
        path.push_str(&segment_path);
        list = segment;
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::ImageFieldDefinition;
    use crate::init::donors::Donors;
    use crate::rendered::Origin;

    fn suspect(title: &str, pointer: &str, word: &str) -> Suspect {
        Suspect { title: title.into(), pointer: pointer.into(), word: word.into() }
    }

    #[test]
    fn operator_images_become_image_fields() {
        let container = json!({
            "name": "operator",
            "args": ["--port=80", "--reloader=quay.io/a/reloader:v1", "default/metrics:9090", "quay.io/a/whole:2"],
            "env": [{ "name": "RELATED_IMAGE", "value": "a/engine:2" },
                { "name": "SERVER", "value": "shop/server:8080" }],
        });
        let spec = json!({ "template": { "spec": { "containers": [container] } } });
        let deployment =
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": spec });
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" },
            "data": { "image": "ghcr.io/a/b:1", "text": "runs ghcr.io/a/b:1" } });
        let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "job" }, "spec": spec });
        let at = "/spec/template/spec/containers/0";
        let suspects = [
            suspect("Deployment/web", &format!("{at}/args/1"), "quay.io/a/reloader:v1"),
            suspect("Deployment/web", &format!("{at}/args/2"), "default/metrics:9090"),
            suspect("Deployment/web", &format!("{at}/args/3"), "quay.io/a/whole:2"),
            suspect("Deployment/web", &format!("{at}/env/0/value"), "a/engine:2"),
            suspect("Deployment/web", &format!("{at}/env/1/value"), "shop/server:8080"),
            suspect("ConfigMap/web", "/data/image", "ghcr.io/a/b:1"),
            suspect("ConfigMap/web", "/data/text", "ghcr.io/a/b:1"),
            suspect("Job/job", &format!("{at}/args/1"), "quay.io/a/reloader:v1"),
        ];
        let objects = vec![deployment, map, job];
        let rendered = RenderedComponent { index: 0, origin: Origin::Definition("release.yaml".into()), objects };
        let donors = Donors::read(None).expect("the starter's lock");
        let lines: Vec<_> = find(&rendered, &suspects, donors.starter()).iter().map(ImageField::line).collect();
        insta::assert_snapshot!(lines.concat());
        let read: Vec<ImageFieldDefinition> = serde_saphyr::from_str(&lines.concat()).expect("entries");
        assert_eq!(read.len(), lines.len());
    }
}
