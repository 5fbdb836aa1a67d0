//! Fields that an administrator edited: listed, left, overwritten, and made again by an undo.

use std::sync::{Arc, Mutex};

use landfall_cluster::{
    Cluster, Comparison, EditableObject, Edits, FieldEdit, LostEdit, ObjectName, Owner, RestoreOutcome,
};
use landfall_engine::plan::StepId;
use landfall_engine::step::{ObservedState, Step};
use landfall_error_codes::CodedError;
use landfall_lifecycle::steps::action::Action;
use landfall_lifecycle::steps::component::Component;
use landfall_lifecycle::steps::replace::Replace;
use landfall_lifecycle::steps::retire::Retire;
use landfall_media::progress::{Event, Progress};
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
fn values_and_owners(cluster: &Cluster) -> (Value, Value, Vec<String>) {
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
    let with = |edits| EditableObject { object: &later, editable: &editable, edits };
    assert!(cluster.edits(&with(Edits::Refuse)).unwrap().is_empty());
    edit(&plane, &json!({"level": "debug", "app.size": "2"}));

    let mut edits = cluster.edits(&with(Edits::Refuse)).unwrap();
    edits.sort_by(|one, other| one.field.cmp(&other.field));
    let shown: Vec<_> = edits.iter().map(|edit| (edit.field.as_str(), edit.manager.as_str(), edit.stays)).collect();
    assert_eq!(shown, [(".data.app.size", "kubectl-edit", false), (".data.level", "kubectl-edit", true)]);
    let values: Vec<_> = edits.iter().map(|edit| (edit.now.clone().unwrap(), edit.new.clone().unwrap())).collect();
    assert_eq!(values, [(json!("2"), json!("3")), (json!("debug"), json!("warn"))]);

    assert_eq!(cluster.apply_edited(&with(Edits::Refuse)).unwrap_err().code().id, "LF4204");
    assert_eq!(values_and_owners(&cluster), (json!("debug"), json!("2"), vec!["kubectl-edit".to_owned()]));
    assert_eq!(cluster.compare_edited(&with(Edits::Overwrite)).unwrap(), Comparison::Different);
    cluster.apply_edited(&with(Edits::Leave)).unwrap();
    assert_eq!(values_and_owners(&cluster), (json!("debug"), json!("2"), vec!["kubectl-edit".to_owned()]));
    cluster.apply_edited(&with(Edits::Overwrite)).unwrap();
    assert_eq!(values_and_owners(&cluster), (json!("debug"), json!("3"), vec!["landfall".to_owned()]));
    assert_eq!(cluster.compare_edited(&with(Edits::Refuse)).unwrap(), Comparison::Same);
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
        claims: std::collections::BTreeMap::new(),
        editable: vec![EditableField {
            kind: "ConfigMap".to_owned(),
            name: "web".to_owned(),
            path: "/data/level".to_owned(),
        }],
        edits,
        secrets: std::collections::BTreeMap::new(),
    }
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn undo_restores_overwritten_edits() {
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
    assert!(matches!(&observed, ObservedState::Foreign(text) if text.contains(".data.app.size")), "{observed:?}");

    let after = component("warn", "3", Edits::Overwrite);
    let replace =
        Replace { before: Box::new(Action::Component(before)), after: Box::new(Action::Component(after.clone())) };
    let noted = replace.prepare(site).unwrap();
    replace.act(site, &noted).unwrap();
    assert_eq!(values_and_owners(&cluster), (json!("debug"), json!("3"), vec!["landfall".to_owned()]));
    assert_eq!(after.observe(site).unwrap(), ObservedState::Done);
    replace.undo(site, &noted).unwrap();
    let (level, number, managers) = values_and_owners(&cluster);
    assert_eq!((level, number), (json!("debug"), json!("2")));
    assert!(managers.contains(&"kubectl-edit".to_owned()), "{managers:?}");

    // A person edits while the change is open: the way back is not stopped by it.
    replace.act(site, &noted).unwrap();
    edit(&plane, &json!({"app.size": "9"}));
    replace.undo(site, &noted).unwrap();
    assert_eq!(values_and_owners(&cluster).1, json!("9"));
}

/// Keeps what is reported.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn event(&self, event: Event) {
        if let Event::Note(text) = event {
            self.0.lock().unwrap().push(text);
        }
    }
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn removed_component_returns_with_edits() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let named =
        |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "web", "namespace": "default"}});
    let mut secret = named("Secret");
    secret["data"] = json!({"key": "YQ==", "other": "Yg=="});
    let mut ports = named("Service");
    let port = |name: &str, port: u32| json!({"name": name, "port": port, "targetPort": port});
    ports["spec"] = json!({"selector": {"app": "web"}, "ports": [port("http", 80), port("dns", 53)]});
    ports["metadata"]["annotations"] = json!({"a.b/c": "1"});
    let entry = json!({
        "name": "web", "namespace": "default", "needs": [], "objects": "documents/objects/web.json",
        "pod_security": "restricted", "ready_seconds": 60,
    });
    let documents = [("documents/objects/web.json", json!([object("", ""), secret, ports]))];
    let site = &mut plane.site(release(&json!([entry]), &json!([]), &json!([])), &documents);
    site.releases.kept = vec![site.releases.own.clone()];
    let notes = Arc::new(Notes::default());
    site.progress = notes.clone();
    let made = component("info", "1", Edits::Refuse);
    made.act(site, &Value::Null).unwrap();
    edit(&plane, &json!({"level": "debug", "app.size": "2"}));
    let patch = |kind: &str, patch: Value| {
        let manager = "--field-manager=kubectl-edit";
        plane.kubectl(&["patch", kind, "web", manager, "--type=strategic", "-p", &patch.to_string()], None);
    };
    let ports = json!([{"port": 53, "targetPort": 5353}]);
    patch("service", json!({"metadata": {"annotations": {"a.b/c": "2"}}, "spec": {"ports": ports}}));

    let retire = Retire { step: StepId("component/web".to_owned()), before: Box::new(Action::Component(made.clone())) };
    let kept = retire.prepare(site).unwrap();
    retire.act(site, &kept).unwrap();
    assert_eq!(retire.observe(site).unwrap(), ObservedState::Done);
    // The secret stays, and a person changes it.
    patch("secret", json!({"data": {"key": "Yw=="}}));
    // The later form of the component is applied, and goes back.
    let before = made.prepare(site).unwrap();
    Component { edits: Edits::Overwrite, ..made.clone() }.act(site, &before).unwrap();
    patch("secret", json!({"data": {"key": "Yw=="}}));
    made.undo(site, &before).unwrap();
    let key = || plane.kubectl(&["get", "secret", "web", "-o", "jsonpath={.data.key}"], None);
    assert_eq!(key(), "Yw==", "the undo removed what holds data");
    for _ in 0..2 {
        retire.undo(site, &kept).unwrap();
        assert_eq!((values_and_owners(&cluster).0, values_and_owners(&cluster).1), (json!("debug"), json!("2")));
        let query = "jsonpath={.metadata.annotations.a\\.b/c} {.spec.ports[?(@.port==53)].targetPort}";
        assert_eq!(plane.kubectl(&["get", "service", "web", "-o", query], None), "2 5353");
        assert_eq!(key(), "Yw==");
    }
    assert_eq!(notes.0.lock().unwrap().join("\n"), "");
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn lost_edits_are_named() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    cluster.apply(&settings("info", "1")).unwrap();
    let mut annotated = settings("info", "1");
    annotated["metadata"]["annotations"] = json!({"a.b/c": "1"});
    let name = ObjectName::of(&annotated).unwrap();
    let edit = |field: &str, pointer: Option<&str>, now: Option<Value>| FieldEdit {
        field: field.to_owned(),
        manager: "kubectl-edit".to_owned(),
        now,
        new: None,
        stays: false,
        pointer: pointer.map(str::to_owned),
    };
    let restore = |name: &ObjectName, applied: Option<&Value>, edit: &FieldEdit| {
        cluster.restore_edit(&LostEdit { name, applied, edit }).unwrap()
    };
    let dotted = edit(".metadata.annotations.a.b/c", Some("/metadata/annotations/a.b~1c"), Some(json!("2")));
    for _ in 0..2 {
        assert_eq!(restore(&name, None, &dotted), RestoreOutcome::Made);
        let live = cluster.get(&name).unwrap().unwrap();
        assert_eq!(live["metadata"]["annotations"]["a.b/c"], "2");
    }
    // It has another value now, and the release never had one.
    let other = FieldEdit { now: Some(json!("3")), ..dotted };
    assert_eq!(restore(&name, None, &other), RestoreOutcome::EditedSince);
    assert_eq!(restore(&name, Some(&annotated), &other), RestoreOutcome::EditedSince);
    let applied = settings("info", "1");
    let size = edit(".data.app.size", Some("/data/app.size"), Some(json!("7")));
    assert_eq!(restore(&name, Some(&applied), &size), RestoreOutcome::Made);
    assert_eq!(values_and_owners(&cluster).1, json!("7"));
    let item = edit(r#".spec.ports[name="x"].port"#, None, Some(json!(1)));
    assert_eq!(restore(&name, None, &item), RestoreOutcome::PlaceMissing);
    assert_eq!(restore(&name, None, &edit(".data.key", None, None)), RestoreOutcome::ValueUnknown);
    let missing = ObjectName::new("v1", "ConfigMap", "default", "missing");
    assert_eq!(restore(&missing, None, &size), RestoreOutcome::ObjectMissing);
}
