//! Fields that an administrator edited: listed, left, overwritten, and made again by an undo.

use landfall_cluster::{Applied, Cluster, Edited, Edits, ObjectName, Owner};
use landfall_engine::step::{Observed, Step};
use landfall_error_codes::Coded;
use landfall_lifecycle::steps::action::Action;
use landfall_lifecycle::steps::component::Component;
use landfall_lifecycle::steps::replace::Replace;
use landfall_release_document::EditableField;
use serde_json::{Value, json};

use crate::fixture::{ControlPlane, release};

fn owner() -> Owner {
    Owner { release: "sample".to_owned(), component: "web".to_owned() }
}

fn object(level: &str, size: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "default"},
        "data": {"level": level, "app.size": size},
    })
}

fn settings(level: &str, size: &str) -> Value {
    let mut object = object(level, size);
    owner().mark(&mut object);
    object
}

fn edit(plane: &ControlPlane, data: &Value) {
    let patch = json!({"data": data}).to_string();
    let manager = "--field-manager=kubectl-edit";
    plane.kubectl(&["patch", "configmap", "web", manager, "--type=merge", "-p", &patch], None);
}

/// Both values now, and who owns the size.
fn found(cluster: &Cluster) -> (Value, Value, Vec<String>) {
    let live = cluster.get(&ObjectName::of(&settings("", "")).unwrap()).unwrap().unwrap();
    let owns = |entry: &&Value| entry.pointer("/fieldsV1/f:data/f:app.size").is_some();
    let managers = live["metadata"]["managedFields"].as_array().unwrap().iter().filter(owns);
    let managers = managers.map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect();
    (live["data"]["level"].clone(), live["data"]["app.size"].clone(), managers)
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn edits_are_listed_left_or_overwritten() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let editable = ["/data/level".to_owned()];
    cluster.apply(&settings("info", "1")).unwrap();
    let later = settings("warn", "3");
    let with = |edits| Edited { object: &later, editable: &editable, edits };
    assert!(cluster.edits(&with(Edits::Refuse)).unwrap().is_empty());
    edit(&plane, &json!({"level": "debug", "app.size": "2"}));

    let mut edits = cluster.edits(&with(Edits::Refuse)).unwrap();
    edits.sort_by(|one, other| one.field.cmp(&other.field));
    let shown: Vec<_> = edits.iter().map(|edit| (edit.field.as_str(), edit.manager.as_str(), edit.stays)).collect();
    assert_eq!(shown, [(".data.app.size", "kubectl-edit", false), (".data.level", "kubectl-edit", true)]);
    let values: Vec<_> = edits.iter().map(|edit| (edit.now.clone().unwrap(), edit.new.clone().unwrap())).collect();
    assert_eq!(values, [(json!("2"), json!("3")), (json!("debug"), json!("warn"))]);

    assert_eq!(cluster.apply_edited(&with(Edits::Refuse)).unwrap_err().code().id, "LF4204");
    assert_eq!(found(&cluster), (json!("debug"), json!("2"), vec!["kubectl-edit".to_owned()]));
    assert_eq!(cluster.compare_edited(&with(Edits::Overwrite)).unwrap(), Applied::Different);
    cluster.apply_edited(&with(Edits::Leave)).unwrap();
    assert_eq!(found(&cluster), (json!("debug"), json!("2"), vec!["kubectl-edit".to_owned()]));
    cluster.apply_edited(&with(Edits::Overwrite)).unwrap();
    assert_eq!(found(&cluster), (json!("debug"), json!("3"), vec!["landfall".to_owned()]));
    assert_eq!(cluster.compare_edited(&with(Edits::Refuse)).unwrap(), Applied::Same);
}

fn component(level: &str, size: &str, edits: Edits) -> Component {
    let patch = |value: &str, path: &str, content: &str| {
        serde_json::from_value(json!({
            "value": value, "kind": "ConfigMap", "name": "web", "path": path, "content": content,
        }))
        .unwrap()
    };
    Component {
        owner: owner(),
        namespace: "default".to_owned(),
        objects: "documents/objects/web.json".to_owned(),
        patches: vec![patch("web.level", "/data/level", level), patch("web.size", "/data/app.size", size)],
        read_only_claims: Vec::new(),
        editable: vec![EditableField {
            kind: "ConfigMap".to_owned(),
            name: "web".to_owned(),
            path: "/data/level".to_owned(),
        }],
        edits,
    }
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn an_undo_makes_overwritten_edits_again_and_leaves_those_that_came_meanwhile() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let documents = [("documents/objects/web.json", json!([object("", "")]))];
    let site = &mut plane.site(release(&json!([]), &json!([]), &json!([])), &documents);
    let before = component("info", "1", Edits::Refuse);
    before.act(site, &Value::Null).unwrap();
    edit(&plane, &json!({"level": "debug", "app.size": "2"}));

    // A step that may not overwrite stops before it changes anything.
    let refusing = Replace {
        before: Box::new(Action::Component(before.clone())),
        after: Box::new(Action::Component(component("warn", "3", Edits::Refuse))),
    };
    let observed = refusing.observe(site).unwrap();
    assert!(matches!(&observed, Observed::Foreign(text) if text.contains(".data.app.size")), "{observed:?}");

    let after = component("warn", "3", Edits::Overwrite);
    let replace =
        Replace { before: Box::new(Action::Component(before)), after: Box::new(Action::Component(after.clone())) };
    let noted = replace.prepare(site).unwrap();
    replace.act(site, &noted).unwrap();
    assert_eq!(found(&cluster), (json!("debug"), json!("3"), vec!["landfall".to_owned()]));
    assert_eq!(after.observe(site).unwrap(), Observed::Done);
    replace.undo(site, &noted).unwrap();
    let (level, number, managers) = found(&cluster);
    assert_eq!((level, number), (json!("debug"), json!("2")));
    assert!(managers.contains(&"kubectl-edit".to_owned()), "{managers:?}");

    // A person edits while the change is open: the way back is not stopped by it.
    replace.act(site, &noted).unwrap();
    edit(&plane, &json!({"app.size": "9"}));
    replace.undo(site, &json!({"inventory": null})).unwrap();
    assert_eq!(found(&cluster).1, json!("9"));
}
