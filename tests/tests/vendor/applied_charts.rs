//! Test of the objects that a build makes of charts: a real API server accepts every object, applied like at a site.

use anyhow::{Context, Result, ensure};
use landfall_test_control_plane::ControlPlane;
use landfall_xtask::{images, printer};
use serde_json::{Value, json};

/// Arguments with which Landfall applies objects: with owned fields, and without fields that the kind lacks.
const APPLY: [&str; 5] = ["apply", "--server-side", "--validate=strict", "--filename", "-"];

/// Kinds that make the API server call pods, which do not exist here. They come last.
const ASKING: [&str; 3] = ["APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Fails unless a real API server accepts every object of these components, in their order.
pub(super) fn are_taken(components: &[Value], objects_of: impl Fn(&Value) -> Result<Value>) -> Result<()> {
    let plane = ControlPlane::start_with(images::ensure_all()?.binaries);
    let (mut count, mut asking) = (0, Vec::new());
    for component in components {
        let namespace = component["namespace"].as_str().context("a component has no namespace")?;
        ensure_namespace(&plane, namespace);
        let objects = objects_of(component)?;
        let (later, now): (Vec<&Value>, Vec<&Value>) = objects
            .as_array()
            .into_iter()
            .flatten()
            .partition(|object| ASKING.iter().any(|kind| object["kind"] == *kind));
        for object in now {
            apply(&plane, namespace, object)?;
            count += 1;
        }
        asking.extend(later.into_iter().map(|object| (namespace.to_owned(), object.clone())));
    }
    for (namespace, object) in &asking {
        apply(&plane, namespace, object)?;
    }
    count += asking.len();
    printer::note(format!("proved: a real API server takes all {count} objects of the charts"));
    ensure!(count > 50, "only {count} objects were applied");
    Ok(())
}

/// Creates a namespace and waits for its `ServiceAccount`, without which the API server refuses pods.
fn ensure_namespace(plane: &ControlPlane, name: &str) {
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    plane.kubectl(&APPLY, Some(&object));
    plane.wait_for_account(name);
}

fn apply(plane: &ControlPlane, namespace: &str, object: &Value) -> Result<()> {
    let own = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(namespace);
    let is_kind = object["kind"] == "CustomResourceDefinition";
    let arguments = [&["--namespace", own][..], &APPLY].concat();
    let answer = plane.answer_of_kubectl(&arguments, Some(object));
    let named = format!("{}/{}", object["kind"], object["metadata"]["name"]);
    answer.map_err(anyhow::Error::msg).with_context(|| format!("the API server refuses {named} of {namespace}"))?;
    if is_kind {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let served = ["wait", "--for=condition=Established", "--timeout=60s", "customresourcedefinition", name];
        plane.kubectl(&served, None);
    }
    Ok(())
}
