//! Each step of a component: absent, half done, done, foreign, and undone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_cluster::{Inventory, ObjectName, Owner};
use landfall_engine::plan::StepId;
use landfall_engine::step::{ObservedState, Step};
use landfall_error_codes::CodedError;
use landfall_lifecycle::context::Site;
use landfall_lifecycle::steps::action::Action;
use landfall_lifecycle::steps::component::Component;
use landfall_lifecycle::steps::component_ready::ComponentReady;
use landfall_lifecycle::steps::mount::Mount;
use landfall_lifecycle::steps::namespace::Namespace;
use landfall_lifecycle::steps::replace::Replace;
use landfall_lifecycle::steps::retire::Retire;
use landfall_lifecycle::steps::secret::Secret;
use landfall_lifecycle::steps::site_secret::SiteSecret;
use landfall_media::durable;
use landfall_site::configuration::Patch;
use serde_json::{Value, json};

use crate::fixture::{ControlPlane, release};

fn owner() -> Owner {
    Owner { release: "sample".to_owned(), component: "web".to_owned() }
}

fn namespace(name: &str) -> Namespace {
    serde_json::from_value(json!({
        "name": name, "owner": owner(), "pod_security": "restricted", "pod_security_version": "v1.36",
        "quota": {"requests.memory": "1Gi", "pods": "5"},
    }))
    .unwrap()
}

/// Runs a step as the engine does and returns what it recorded before acting.
#[track_caller]
fn run<S: Step<Site>>(step: &S, site: &mut Site) -> Value {
    let before = step.prepare(site).unwrap();
    step.act(site, &before).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Done);
    // A rerun after a crash finds everything there and leaves it so.
    step.act(site, &before).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Done);
    before
}

#[track_caller]
fn is_foreign(observed: &ObservedState, part: &str) {
    assert!(matches!(observed, ObservedState::Foreign(text) if text.contains(part)), "{observed:?}");
}

#[track_caller]
fn is_partial(observed: &ObservedState, part: &str) {
    assert!(matches!(observed, ObservedState::Partial(text) if text.contains(part)), "{observed:?}");
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn steps_are_done_and_undone() {
    let plane = ControlPlane::start();
    let site = &mut plane.site(release(&json!([]), &json!([]), &json!([])), &[]);
    namespaces(&plane, site);
    secrets(&plane, site);
    site_secrets(&plane, site);
    mounts(&plane, site);
    components(&plane);
    objects_move(&plane);
    claims_from_before_stay(&plane);
}

fn namespaces(plane: &ControlPlane, site: &mut Site) {
    let step = namespace("web");
    assert_eq!(step.observe(site).unwrap(), ObservedState::Absent);
    let before = run(&step, site);
    assert_eq!(before, json!({"existed": false}));
    let token = plane.kubectl(
        &["get", "serviceaccount", "default", "-n", "web", "-o", "jsonpath={.automountServiceAccountToken}"],
        None,
    );
    assert_eq!(token, "false");
    let names = plane.kubectl(&["get", "networkpolicy,limitrange,resourcequota", "-n", "web", "-o", "name"], None);
    assert_eq!(names.lines().count(), 4, "{names}");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root", "namespace": "web"},
        "spec": {"hostNetwork": true, "containers": [{"name": "a", "image": "docker.io/library/a:1"}]}});
    let refused = std::panic::catch_unwind(|| plane.kubectl(&["create", "-f", "-"], Some(&pod)));
    let message = refused.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("violates PodSecurity \"restricted:v1.36\""), "{message}");

    plane.kubectl(&["delete", "networkpolicy", "landfall-default-deny", "-n", "web"], None);
    is_partial(&step.observe(site).unwrap(), "NetworkPolicy web/landfall-default-deny first");
    step.act(site, &before).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Done);

    plane.kubectl(&["create", "namespace", "theirs"], None);
    let foreign = namespace("theirs");
    is_foreign(&foreign.observe(site).unwrap(), "Namespace theirs exists and belongs to kubectl-create");
    let error = foreign.act(site, &Value::Null).unwrap_err();
    assert_eq!(error.code().id, "LF4207");
    foreign.undo(site, &json!({"existed": true})).unwrap();
    foreign.undo(site, &json!({"existed": false})).unwrap();
    assert_eq!(plane.kubectl(&["get", "namespace", "theirs", "-o", "name"], None), "namespace/theirs\n");

    step.undo(site, &before).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Absent);
    step.undo(site, &before).unwrap();
}

fn secret() -> Secret {
    serde_json::from_value(json!({
        "namespace": "default", "owner": owner(),
        "secret": {"name": "password", "random": {"password": 32}, "fixed": {"username": "app"}},
    }))
    .unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn secrets(plane: &ControlPlane, site: &mut Site) {
    let step = secret();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Absent);
    let before = run(&step, site);
    let path = Secret::file(&site.data.paths.secrets(), "default", "password");
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&site.data.paths.secrets())), (0o600, 0o700, 0o700));
    let bytes = std::fs::read(&path).unwrap();
    let password = serde_json::from_slice::<Value>(&bytes).unwrap()["values"]["password"].as_str().unwrap().to_owned();
    let live =
        || plane.kubectl(&["get", "secret", "password", "-o", "go-template={{.data.password | base64decode}}"], None);
    assert_eq!(live(), password);
    let output = step.act(site, &before).unwrap();
    assert!(!output.to_string().contains(&password));

    // The cluster forgets it; the file does not.
    plane.kubectl(&["delete", "secret", "password"], None);
    is_partial(&step.observe(site).unwrap(), "is written");
    step.act(site, &before).unwrap();
    assert_eq!((live(), std::fs::read(&path).unwrap()), (password, bytes.clone()));
    // The file is lost while the cluster has the Secret: a new one would lock its data out.
    durable::remove_file(&path).unwrap();
    is_foreign(&step.observe(site).unwrap(), "exists and its file");
    durable::write_file(&path, &bytes, 0o600).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Done);

    step.undo(site, &before).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Absent);
    assert!(!site.data.paths.secrets().exists());
    // An uninstall that keeps data keeps the key to it.
    run(&step, site);
    site.undo.keep_data = true;
    step.undo(site, &before).unwrap();
    assert!(path.exists());
    site.undo.keep_data = false;
    step.undo(site, &before).unwrap();
}

fn site_secret(number: u64) -> SiteSecret {
    serde_json::from_value(json!({
        "namespace": "default", "owner": owner(), "number": number,
        "secret": {"name": "directory", "meaning": "A password", "fixed": {"username": "reader"},
            "value": {"password": {}}},
    }))
    .unwrap()
}

/// Puts a value where an operation puts it before its journal begins.
fn give(site: &Site, number: u64, password: &str) {
    let folder = site.data.paths.site_secrets().join("default");
    durable::create_folder(&folder).unwrap();
    let file = json!({
        "namespace": "default", "name": "directory", "number": number, "kind": "password",
        "value": STANDARD.encode(format!("{password}\n")),
    });
    durable::write_file(&folder.join(format!("directory.{number}.json")), file.to_string().as_bytes(), 0o600).unwrap();
}

/// A value that the site gives, another one in its place, and the way back.
fn site_secrets(plane: &ControlPlane, site: &mut Site) {
    let (first, second) = (site_secret(1), site_secret(2));
    let error = first.observe(site).unwrap_err();
    assert_eq!(error.code().id, "LF4213", "{error}");
    give(site, 1, "first-password");
    assert_eq!(first.observe(site).unwrap(), ObservedState::Absent);
    let before = run(&first, site);
    let live = |key: &str| {
        let template = format!("go-template={{{{.data.{key} | base64decode}}}}");
        plane.kubectl(&["get", "secret", "directory", "-o", &template], None)
    };
    assert_eq!((live("password"), live("username")), ("first-password".to_owned(), "reader".to_owned()));
    let output = first.act(site, &before).unwrap().to_string();
    assert!(output.contains("directory.1.json") && !output.contains("first-password") && !output.contains("sha256"));

    give(site, 2, "second-password");
    let (before, after) = (Action::SiteSecret(first.clone()), Action::SiteSecret(second));
    let replace = Replace { before: Box::new(before), after: Box::new(after) };
    is_partial(&replace.observe(site).unwrap(), "is not as it should be");
    let before = run(&replace, site);
    assert_eq!(live("password"), "second-password");
    // Before the first undo: pods that an undo of their component makes read the earlier value.
    replace.rescue(site, &before).unwrap();
    assert_eq!(live("password"), "first-password");
    replace.undo(site, &before).unwrap();
    assert_eq!(first.observe(site).unwrap(), ObservedState::Done);

    first.undo(site, &Value::Null).unwrap();
    let files = site.data.paths.site_secrets().join("default");
    assert!(!files.join("directory.1.json").exists() && files.join("directory.2.json").exists());
    assert!(matches!(site_secret(2).observe(site).unwrap(), ObservedState::Absent));
    site_secret(2).undo(site, &Value::Null).unwrap();
    assert!(!site.data.paths.site_secrets().exists());
}

fn mounts(plane: &ControlPlane, site: &mut Site) {
    let step: Mount = serde_json::from_value(json!({
        "namespace": "default", "owner": owner(), "claim": "weights", "folder": "00aa", "size_bytes": 90_000_001,
        "node": "node",
    }))
    .unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Absent);
    let before = run(&step, site);
    let started = std::time::Instant::now();
    while plane.kubectl(&["get", "pvc", "weights", "-o", "jsonpath={.status.phase}"], None) != "Bound" {
        assert!(started.elapsed().as_secs() < 30, "{}", plane.kubectl(&["get", "pv,pvc", "-o", "yaml"], None));
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    // Binding writes into both objects; they are still as they should be, and a rerun is no conflict.
    assert_eq!(step.observe(site).unwrap(), ObservedState::Done);
    step.act(site, &before).unwrap();
    let path = plane.kubectl(&["get", "pv", "landfall-default-weights", "-o", "jsonpath={.spec.hostPath.path}"], None);
    assert_eq!(Path::new(&path), site.data.paths.files().join("00aa"));
    step.undo(site, &before).unwrap();
    assert_eq!(step.observe(site).unwrap(), ObservedState::Absent);
}

fn component(objects: &str) -> Component {
    Component {
        owner: owner(),
        namespace: "default".to_owned(),
        objects: objects.to_owned(),
        patches: vec![Patch {
            value: "web.size".to_owned(),
            kind: "Thing".to_owned(),
            name: "first".to_owned(),
            path: "/spec/size".to_owned(),
            content: json!(3),
        }],
        read_only_claims: Vec::new(),
        claims: std::collections::BTreeMap::new(),
        editable: Vec::new(),
        edits: landfall_cluster::Edits::Refuse,
        secrets: std::collections::BTreeMap::new(),
    }
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]},
    })
}

fn thing(name: &str) -> Value {
    json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": name, "namespace": "default"},
        "spec": {"size": 1}})
}

fn settings(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
        "data": {"a": "1"}})
}

/// An object moves from one component to another, whichever of them is changed first, and back.
fn objects_move(plane: &ControlPlane) {
    let documents = [
        ("with", json!([settings("stays"), settings("moved")])),
        ("without", json!([settings("stays")])),
        ("taker", json!([settings("moved")])),
    ];
    let entry = |name: &str, objects: &str| {
        json!({"name": name, "namespace": "default", "needs": [], "objects": objects, "pod_security": "restricted",
            "ready_seconds": 60, "quota": {"pods": "4"}})
    };
    let site_with = |components: Value| plane.site(release(&components, &json!([]), &json!([])), &documents);
    let mut earlier = site_with(json!([entry("giver", "with")]));
    let site = &mut site_with(json!([entry("giver", "without"), entry("taker", "taker")]));
    let of = |name: &str, objects: &str| Component {
        owner: Owner { component: name.to_owned(), ..owner() },
        patches: Vec::new(),
        ..component(objects)
    };
    let (with, without, taker) = (of("giver", "with"), of("giver", "without"), of("taker", "taker"));
    let uid = || plane.kubectl(&["get", "configmap", "moved", "-o", "jsonpath={.metadata.uid}"], None);
    run(&with, &mut earlier);
    let first = uid();
    let given = |output: &Value| {
        assert_eq!(output["pruned"], json!([]), "{output}");
        assert_eq!(output["left"].as_array().map(Vec::len), Some(1), "{output}");
        assert_eq!(uid(), first, "the object was made again");
    };
    site.releases.kept = vec![earlier.releases.own.clone()];

    // The giver is changed first: it leaves what the release gives to another component.
    given(&without.act(site, &Value::Null).unwrap());
    let before = taker.prepare(site).unwrap();
    taker.act(site, &before).unwrap();
    assert_eq!(uid(), first, "the object was made again");
    // The upgrade goes back, last step first: the taker leaves what the earlier release gives to the giver.
    taker.undo(site, &before).unwrap();
    with.act(&mut earlier, &Value::Null).unwrap();
    assert_eq!(uid(), first, "the undo made the object again");
    assert_eq!(with.observe(&mut earlier).unwrap(), ObservedState::Done);

    // The taker is changed first: the giver prunes nothing that is no longer its own, in whatever release.
    taker.act(site, &before).unwrap();
    given(&without.act(&mut earlier, &Value::Null).unwrap());

    // A component that is removed takes nothing along that was given away.
    with.act(&mut earlier, &Value::Null).unwrap();
    taker.act(site, &before).unwrap();
    let retire = Retire { step: StepId("component/giver".to_owned()), before: Box::new(Action::Component(with)) };
    retire.act(&mut earlier, &Value::Null).unwrap();
    assert_eq!(uid(), first, "the object went with its former component");
    assert_eq!(plane.kubectl(&["get", "configmap", "stays", "--ignore-not-found", "-o", "name"], None), "");
    taker.undo(&mut earlier, &json!({"inventory": null})).unwrap();
    assert_eq!(plane.kubectl(&["get", "configmap", "moved", "--ignore-not-found", "-o", "name"], None), "");
}

/// A release adds a component with a claim. The claim goes with an upgrade that is undone, and stays with a rollback.
/// So it does where the upgrade after that is undone: it has data by then.
fn claims_from_before_stay(plane: &ControlPlane) {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "lines", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    });
    let documents = [("added", json!([settings("with-data"), claim]))];
    let site = &mut plane.site(release(&json!([]), &json!([]), &json!([])), &documents);
    let added = Component { patches: Vec::new(), ..component("added") };
    let present = |what: &str| plane.kubectl(&["get", what, "--ignore-not-found", "-o", "name"], None);
    let (claim, settings) = ("persistentvolumeclaim/lines", "configmap/with-data");

    let before = run(&added, site);
    assert_eq!(before, json!({"inventory": null}));
    added.undo(site, &before).unwrap();
    assert_eq!((present(claim).as_str(), present(settings).as_str()), ("", ""));

    run(&added, site);
    let made = Box::new(Action::Component(added.clone()));
    Retire { step: StepId("component/web".to_owned()), before: made }.act(site, &Value::Null).unwrap();
    let before = run(&added, site);
    added.undo(site, &before).unwrap();
    assert_eq!((present(claim).trim(), present(settings).as_str()), (claim, ""));
    plane.kubectl(&["delete", claim], None);
}

fn components(plane: &ControlPlane) {
    let documents = [
        ("one", json!([definition(), thing("first"), settings("old"), settings("kept")])),
        ("two", json!([definition(), thing("first"), settings("kept"), settings("new")])),
    ];
    let site = &mut plane.site(release(&json!([]), &json!([]), &json!([])), &documents);
    let (one, two) = (component("one"), component("two"));
    assert_eq!(one.observe(site).unwrap(), ObservedState::Absent);

    // A crash after the inventory and the first object.
    let before = one.prepare(site).unwrap();
    let cluster = plane.cluster();
    let names = ["old", "kept"].map(|name| ObjectName::new("v1", "ConfigMap", "default", name));
    let inventory = Inventory { owner: owner(), namespace: "default".to_owned(), objects: names.to_vec() };
    inventory.write(&cluster).unwrap();
    is_partial(&one.observe(site).unwrap(), "only the inventory");
    cluster.apply(&one.resolve_objects(&site.releases.own.documents).unwrap()[0]).unwrap();
    is_partial(&one.observe(site).unwrap(), "are missing");
    one.act(site, &before).unwrap();
    assert_eq!(one.observe(site).unwrap(), ObservedState::Done);
    assert_eq!(plane.kubectl(&["get", "thing", "first", "-o", "jsonpath={.spec.size}"], None), "3");

    let ready = ComponentReady { component: "web".to_owned(), namespace: "default".to_owned(), seconds: 10 };
    assert_eq!(ready.observe(site).unwrap(), ObservedState::Done);
    ready.act(site, &Value::Null).unwrap();
    let unapplied = ComponentReady { component: "nobody".to_owned(), ..ready };
    assert_eq!(unapplied.observe(site).unwrap(), ObservedState::Absent);
    assert_eq!(unapplied.act(site, &Value::Null).unwrap_err().code().id, "LF4208");

    // The next release drops one object and brings another: Landfall's harmless objects are pruned; undo neither
    // restores pruned objects nor touches earlier ones.
    let before_two = two.prepare(site).unwrap();
    let output = two.act(site, &before_two).unwrap();
    assert_eq!(output["pruned"].as_array().unwrap().len(), 1);
    assert_eq!(plane.kubectl(&["get", "configmap", "old", "--ignore-not-found", "-o", "name"], None), "");
    two.undo(site, &before_two).unwrap();
    assert_eq!(plane.kubectl(&["get", "configmap", "new", "--ignore-not-found", "-o", "name"], None), "");
    assert_eq!(plane.kubectl(&["get", "thing", "first", "-o", "name"], None), "thing.example.org/first\n");

    one.undo(site, &before).unwrap();
    assert_eq!(one.observe(site).unwrap(), ObservedState::Absent);
    assert_eq!(plane.kubectl(&["get", "crd", "-o", "name"], None), "");
    assert_eq!(Inventory::read(&cluster, "default", "web").unwrap(), None);
}
