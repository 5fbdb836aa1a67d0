use std::collections::BTreeMap;
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError, codes};
use landfall_test_support::definition as notation;
use serde_json::Value;

use super::*;
use crate::lock::{List, Lock};
use crate::reference::Reference;
use crate::rendered::source;
use crate::tool::Tool;

const DEFINITION: &str = include_str!("../definition/good.yaml");

const LOCK: &str = "assembled: false\nplatform: linux/amd64\nimages:\n\
    - \
    {reference: 'docker.io/library/busybox:1.37', \
    digest: 'sha256:0707070707070707070707070707070707070707070707070707070707070707', mediaType: m, size: 7}\n\
    - \
    {reference: 'docker.io/library/python:3.13', \
    digest: 'sha256:0808080808080808080808080808080808080808080808080808080808080808', mediaType: m, size: 7}\n\
    - \
    {reference: 'docker.io/valkey/valkey:9', \
    digest: 'sha256:0909090909090909090909090909090909090909090909090909090909090909', mediaType: m, size: 7}\n";

const STATEFUL_SET: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: database}\n\
    spec:\n  replicas: 1\n  template:\n    spec:\n      initContainers: \
    [{name: a, image: busybox, command: [python, -c, 'print(1)']}]\n      containers: \
    [{name: b, image: 'valkey/valkey:9', args: [--port=80], resources: {limits: {memory: 1Gi}}}]\n";

fn lock() -> Lock {
    Lock::parse(Path::new("images.lock"), LOCK.to_owned()).expect("lock")
}

/// The definition with one text replaced, read from a temporary folder.
pub(super) fn definition(from: &str, to: &str) -> Definition {
    let folder = tempfile::tempdir().expect("folder");
    assert!(DEFINITION.contains(from), "{from}");
    notation::write(folder.path(), &DEFINITION.replacen(from, to, 1));
    crate::release::read(folder.path()).expect("good definition")
}

pub(super) fn component(definition: &Definition, name: &str, text: &str) -> RenderedComponent {
    let index =
        definition.release.components.iter().position(|component| component.name.value == name).expect("component");
    RenderedComponent {
        index,
        origin: Origin::Folder(format!("manifests/{name}").into()),
        objects: kustomize::parse(text).expect("yaml"),
    }
}

/// The starter release from its files, with the selectors and settings that kustomize adds.
pub(crate) fn starter() -> (Definition, Vec<RenderedComponent>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../releases/starter");
    let definition = crate::release::read(&folder).expect("definition");
    let mut components = Vec::new();
    for &index in &definition.order {
        if definition.release.components[index].package_index.is_some() {
            let objects = package_index::objects(&definition.release, index);
            let origin = Origin::Definition(definition.path.clone());
            components.push(RenderedComponent { index, origin, objects: objects.expect("objects") });
            continue;
        }
        let manifests = definition.release.components[index].manifests.as_ref().expect("manifests");
        let folder = definition.resolve(&manifests.value);
        let mut objects = Vec::new();
        for entry in fs_err::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            // kustomize rewrites octal numbers in decimal.
            let text = fs_err::read_to_string(&path).expect("text").replace(": 0440", ": 288");
            if path.extension().is_some_and(|extension| extension == "yaml")
                && !path.ends_with("kustomization.yaml")
                && !path.ends_with("component.yaml")
            {
                objects.extend(kustomize::parse(&text).expect("YAML"));
                for object in objects.iter_mut().filter(|object| object.pointer("/spec/template").is_some()) {
                    object["spec"]["selector"] = serde_json::json!({ "matchLabels": { "app": "a" } });
                    object["spec"]["template"]["metadata"]["labels"]["app"] = "a".into();
                }
            }
        }
        bases::sources(&folder).expect("no base from elsewhere");
        let metadata = serde_json::json!({ "name": "assistant-program" });
        objects.push(serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {} }));
        objects.truncate(objects.len() - usize::from(!folder.ends_with("assistant")));
        components.push(RenderedComponent { index, origin: Origin::Folder(folder), objects });
    }
    assert!(components.iter().all(|component| !component.objects.is_empty()));
    objects::check(&definition, &mut components).expect("applicable");
    (definition, components)
}

/// Checks, looks up, binds and scans one component.
fn run(definition: &Definition, text: &str) -> Result<RenderedComponent> {
    let lock = lock();
    let mut components = vec![component(definition, "database", text)];
    objects::check(definition, &mut components)?;
    let mut component = components.remove(0);
    let mut pins = BTreeMap::new();
    for usage in usages(definition, &component)? {
        let entry = lock.find(List::Images, &usage.reference, usage.place)?;
        pins.insert(usage.reference, lock.pin(List::Images, entry).expect("pinned"));
    }
    bind(definition, &mut component, &pins)?;
    scan(definition, &component, &lock)?;
    Ok(component)
}

fn refusal(definition: &Definition, text: &str) -> String {
    let error = run(definition, text).expect_err("refused");
    format!("{} {error}", error.code().id)
}

#[test]
fn images_are_bound_to_platform_digests() {
    let found = run(&definition("name: small", "name: small"), STATEFUL_SET).expect("good");
    let object = &found.objects[0];
    let image = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).expect("image").to_owned();
    let busybox =
        "docker.io/library/busybox:1.37".parse::<Reference>().expect("reference").with_digest(Sha256([7; 32]));
    assert_eq!(image("/spec/template/spec/initContainers/0/image"), busybox.to_string());
    let valkey = "docker.io/valkey/valkey:9".parse::<Reference>().expect("reference").with_digest(Sha256([9; 32]));
    assert_eq!(image("/spec/template/spec/containers/0/image"), valkey.to_string());
    assert_eq!(object["metadata"]["namespace"], "database");
}

#[test]
fn undeclared_references_are_refused() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: helper}\ndata:\n  pod.yaml: |\n    containers:\n    \
        - image: busybox\n";
    let declared = "    references:\n      - \
        {kind: ConfigMap, name: helper, path: /data/pod.yaml, reference: busybox, text: busybox}\n    secrets:";
    let declared = definition("    secrets:", declared);
    let found = run(&declared, text).expect("declared");
    let bound = found.objects[0]["data"]["pod.yaml"].as_str().expect("text");
    assert!(bound.contains("- image: docker.io/library/busybox:1.37@sha256:0707"), "{bound}");
    assert!(refusal(&declared, &text.replace("busybox", "redis")).contains("does not hold `busybox`"));

    let plain = definition("name: small", "name: small");
    let config_map = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: helper}}\ndata:\n  key: |\n    {value}\n")
    };
    let container = |field: &str| STATEFUL_SET.replace("args: [--port=80]", field);
    let refusals = [
        refusal(&plain, text),
        refusal(&plain, &config_map("image: something-nobody-locked")),
        refusal(&plain, &config_map("{\"image\": \"ghcr.io/a/b:v1\"}")),
        refusal(&plain, &config_map("use valkey/valkey for this")),
        refusal(&plain, &config_map("run busybox:1.37 now")),
        refusal(&plain, &config_map("GRAFANA=grafana/grafana:11.1")),
        refusal(&plain, &config_map("sidecar: quay.io/coreos/etcd")),
        refusal(&plain, &config_map("pull oci://registry.example.com/team/chart")),
        refusal(&plain, &container("args: [--reloader=jimmidyson/configmap-reload:latest]")),
        refusal(&plain, &container("env: [{name: CACHE, value: 'bitnami/redis:7'}]")),
        refusal(
            &plain,
            &container("env: [{name: DRIVER, value: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/driver}]"),
        ),
        refusal(&plain, &container("args: [--acme-solver=quay.io/jetstack/solver:v1]")),
        refusal(&plain, &container("env: [{name: DRIVER, value: 'nvcr.io/nvidia/driver:580'}]")),
        refusal(
            &plain,
            &container(
                "command: \
                 ['docker.io/library/busybox@sha256:0000000000000000000000000000000000000000000000000000000000000000']",
            ),
        ),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
    for harmless in [
        "python -m http.server",
        "app.kubernetes.io/name: x",
        "http://postgres.database.svc:5432/app",
        "registry.k8s.io is a host",
        "rancher.io/local-path",
        "10.96.0.1:443",
        "bind * -::*",
        "CREATE EXTENSION IF NOT EXISTS vector;",
        "node.kubernetes.io/disk-pressure",
        "https://quay.io/repository/coreos/etcd",
        "github.com/opencontainers/runc",
        "rows[n/2:n]",
        "conf/app.yaml:ro",
        "date/time: a/b:1",
        "text/plain:utf",
    ] {
        assert!(run(&plain, &config_map(harmless)).is_ok(), "{harmless}");
    }
}

#[test]
fn custom_resource_images_need_declaration() {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: \
        {name: things.example.com}\nspec: {group: example.com, names: {kind: Thing}, scope: Namespaced}\n---\n";
    let thing = format!(
        "{crd}apiVersion: example.com/v1\nkind: Thing\nmetadata: {{name: a}}\nspec: {{image: 'logo.png', other: 1}}\n"
    );
    let plain = definition("name: small", "name: small");
    assert!(refusal(&plain, &thing).contains("LF2008"), "{}", refusal(&plain, &thing));
    run(&definition("    secrets:", "    notImages: [logo.png]\n    secrets:"), &thing).expect("no image");
    run(&plain, &thing.replace("logo.png", "a picture of it")).expect("no image at all");
    let declared =
        "    references:\n      - {kind: Thing, name: a, path: /spec/image, reference: busybox}\n    secrets:";
    let found = run(&definition("    secrets:", declared), &thing).expect("declared");
    assert!(found.objects[1]["spec"]["image"].as_str().is_some_and(|text| text.contains("@sha256:0707")));
    let triple =
        thing.replace("image: 'logo.png'", "image: {registry: docker.io, repository: valkey/valkey, tag: '9'}");
    let found = run(&plain, &triple).expect("bound");
    assert_eq!(found.objects[1]["spec"]["image"]["tag"], format!("9@{}", Sha256([9; 32])));
    let container = thing.replace("image: 'logo.png'", "containers: [{name: a, image: ghcr.io/nobody/knows}]");
    assert!(refusal(&plain, &container).contains("LF2007"));
}

#[test]
fn release_table_finds_argument_images() {
    let table = "imageFields:\n  - \
        {group: apps, kind: StatefulSet, path: '/spec/template/spec/containers/*/args/*', prefix: --reloader=}\n  - \
        {kind: ConfigMap, name: helper, path: /data/image}\nvalues:";
    let declared = definition("values:", table);
    let set = STATEFUL_SET.replace("args: [--port=80]", "args: [--port=80, '--reloader=valkey/valkey:9']");
    let helper = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: helper}\ndata: {image: busybox}\n";
    let found = run(&declared, &format!("{helper}---\n{set}")).expect("declared");
    assert_eq!(
        found.objects[0]["data"]["image"],
        format!("docker.io/library/busybox:1.37@{}", Sha256([7; 32])),
        "{found:?}"
    );
    assert_eq!(
        found.objects[1].pointer("/spec/template/spec/containers/0/args/1").and_then(Value::as_str),
        Some(format!("--reloader=docker.io/valkey/valkey:9@{}", Sha256([9; 32])).as_str())
    );
    check_fields(&declared, std::slice::from_ref(&found)).expect("both are about something");
    let without = run(&declared, STATEFUL_SET).expect("no such argument");
    let unused = check_fields(&declared, &[without]).expect_err("unused");
    assert_eq!(unused.code(), codes::IMAGE_FIELD_UNUSED);
    assert!(unused.to_string().contains("imageFields[0]: no StatefulSet of the release has a text that begins with"));
    let plain = definition("name: small", "name: small");
    assert!(refusal(&plain, &set).contains("LF2008"), "{}", refusal(&plain, &set));
}

#[test]
fn doubtful_images_are_listed() {
    let declared = "    references:\n      - \
        {kind: ConfigMap, name: helper, path: /data/pod, reference: busybox, text: busybox}\n    notImages: \
        ['default/metrics:9090']\n    secrets:";
    let definition = definition("    secrets:", declared);
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: helper}\ndata: \
        {pod: 'image: busybox', more: 'ghcr.io/a/b:1 ghcr.io/a/c:1 ghcr.io/a/b:1', ports: 'default/metrics:9090'}\n";
    let set = STATEFUL_SET.replace("args: [--port=80]", "args: ['--reloader=jimmidyson/configmap-reload:latest']");
    let component = component(&definition, "database", &format!("{text}---\n{set}"));
    let found: Vec<_> = in_doubt(&definition, &component, &lock())
        .into_iter()
        .map(|suspect| format!("{} {} {}", suspect.title, suspect.pointer, suspect.word))
        .collect();
    let argument = "StatefulSet/database /spec/template/spec/containers/0/args/0 jimmidyson/configmap-reload:latest";
    assert_eq!(
        found,
        ["ConfigMap/helper /data/more ghcr.io/a/b:1", "ConfigMap/helper /data/more ghcr.io/a/c:1", argument]
    );
}

#[test]
fn schema_descriptions_name_no_image() {
    let schema = "{openAPIV3Schema: {type: object, properties: {args: \
        {type: string, description: \"The image's own; ghcr.io/a/b:1 by default\"}}}}";
    let text = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: owns.own.example}}\n\
         spec: \
         {{group: own.example, names: {{kind: Own, plural: owns}}, scope: Namespaced, \
         versions: [{{name: v1, served: true, storage: true, schema: {schema}}}]}}\n"
    );
    run(&definition("name: small", "name: small"), &text).expect("no image is named");
}

#[test]
fn lookalikes_can_be_declared_harmless() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: helper}\ndata: {ports: 'default/metrics:9090'}\n";
    let plain = definition("name: small", "name: small");
    let refused = run(&plain, text).expect_err("undeclared");
    assert_eq!(refused.code(), codes::REFERENCE_UNDECLARED);
    assert!(CodedError::hint(&refused).is_some_and(|hint| hint.contains("notImages: [\"default/metrics:9090\"]")));
    let both = run(&plain, &text.replace("9090'", "9090 ghcr.io/a/b:1'")).expect_err("undeclared");
    assert!(
        CodedError::hint(&both)
            .is_some_and(|hint| hint.contains("notImages: [\"default/metrics:9090\", \"ghcr.io/a/b:1\"]"))
    );
    let declared = definition("    secrets:", "    notImages: ['default/metrics:9090']\n    secrets:");
    run(&declared, text).expect("declared");
    // Another word is still refused, and so is a declaration that matches nothing.
    assert!(refusal(&declared, &text.replace("metrics", "other")).contains("`default/other:9090` names an image"));
    let stale = refusal(&declared, &text.replace("default/metrics:9090", "none"));
    assert!(stale.contains("notImages[0]: the component has nothing that looks like the image"), "{stale}");
}

#[test]
fn cluster_object_namespace_is_dropped() {
    let plain = definition("name: small", "name: small");
    let text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a, namespace: other}\n\
        rules: []\n";
    let mut components = [component(&plain, "database", text)];
    let remarks = objects::check(&plain, &mut components).expect("applicable");
    assert_eq!(components[0].objects[0]["metadata"], serde_json::json!({ "name": "a" }));
    let said = "ClusterRole/a: metadata.namespace: \"other\" is dropped, since a ClusterRole has no namespace";
    assert!(remarks.len() == 1 && remarks[0].ends_with(said), "{remarks:?}");
}

#[test]
fn missing_kinds_are_refused_together() {
    let plain = definition("name: small", "name: small");
    let object =
        |group: &str, kind: &str| format!("---\napiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: a}}\n");
    let text = object("cert-manager.io", "Issuer")
        + &object("cert-manager.io", "Certificate")
        + &object("keda.sh", "ScaledObject");
    let error = objects::check(&plain, &mut [component(&plain, "database", &text)]).expect_err("refused");
    let said = error.to_string();
    assert!(
        said.ends_with("defines Issuer of cert-manager.io, and none those of Certificate/a, ScaledObject/a"),
        "{said}"
    );
    let hint = CodedError::hint(&error).expect("hint");
    assert!(hint.starts_with("Add a component with KEDA; with cert-manager, whose"), "{hint}");
    assert!(
        hint.ends_with("or list `Issuer/a`, `Certificate/a`, `ScaledObject/a` under `leaveOut` of the chart."),
        "{hint}"
    );
}

#[test]
fn empty_secret_is_accepted() {
    let plain = definition("name: small", "name: small");
    let secret = |values: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: filled}}\n{values}\n");
    for values in ["stringData:", "data: {}"] {
        objects::check(&plain, &mut [component(&plain, "database", &secret(values))]).expect(values);
    }
    let error =
        objects::check(&plain, &mut [component(&plain, "database", &secret("data: {a: }"))]).expect_err("refused");
    assert!(error.to_string().contains("its values would travel in the clear"), "{error}");
}

#[test]
fn missing_kind_gets_software_hint() {
    let plain = definition("name: small", "name: small");
    for (group, software) in
        [("cert-manager.io", "cert-manager"), ("own.example", "the software that owns own.example")]
    {
        let text = format!("apiVersion: {group}/v1\nkind: Issuer\nmetadata: {{name: a}}\n");
        let error = objects::check(&plain, &mut [component(&plain, "database", &text)]).expect_err("refused");
        let hint = CodedError::hint(&error).expect("hint");
        assert!(hint.starts_with(&format!("Add a component with {software}, ")), "{hint}");
        assert!(hint.ends_with("list `Issuer/a` under `leaveOut` of the chart."), "{hint}");
    }
}

#[test]
fn inapplicable_objects_are_refused() {
    let plain = definition("name: small", "name: small");
    let object = |head: &str, metadata: &str| format!("{head}\nmetadata: {{{metadata}}}\n");
    let refusals = [
        refusal(&plain, &object("apiVersion: v1\nkind: Namespace", "name: a")),
        refusal(&plain, &object("apiVersion: v1\nkind: ConfigMap", "generateName: a-")),
        refusal(&plain, &object("apiVersion: v1\nkind: ConfigMap", "name: a, namespace: other")),
        refusal(
            &plain,
            &object("apiVersion: batch/v1\nkind: Job", "name: a, annotations: {helm.sh/hook: pre-install}"),
        ),
        refusal(&plain, &object("apiVersion: v1\nkind: Secret\nstringData: {a: b}", "name: a")),
        refusal(&plain, &object("apiVersion: example.com/v1\nkind: Thing", "name: a")),
        refusal(&plain, &format!("{0}---\n{0}", object("apiVersion: v1\nkind: ConfigMap", "name: a"))),
        refusal(&plain, &STATEFUL_SET.replace("image: busybox", "image: ghcr.io/nobody/knows")),
        refusal(&plain, &STATEFUL_SET.replace("image: busybox", "image: 'BAD image'")),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn objects_sort_by_dependency() {
    let kinds = [
        "apps/v1 StatefulSet",
        "v1 Service",
        "example.com/v1 Thing",
        "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy",
        "v1 ConfigMap",
        "v1 ServiceAccount",
        "apiextensions.k8s.io/v1 CustomResourceDefinition",
    ];
    let spec = "spec: {group: example.com, names: {kind: Thing}, scope: Namespaced}";
    let text: Vec<_> = kinds
        .iter()
        .filter_map(|kind| kind.split_once(' '))
        .map(|(version, kind)| format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n{spec}\n"))
        .collect();
    let found = run(&definition("name: small", "name: small"), &text.join("---\n")).expect("good");
    let sorted: Vec<_> = found.objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    let policies = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
    let expected = [
        &["CustomResourceDefinition", "ServiceAccount", "ConfigMap"][..],
        &policies[..],
        &["Service", "StatefulSet", "Thing"][..],
    ];
    assert_eq!(sorted, expected.concat(), "a policy comes before the pods whose requests it judges");
    assert_eq!(found.objects[3]["metadata"].get("namespace"), None);
    assert_eq!(found.objects[7]["metadata"]["namespace"], "database");
}

#[test]
fn values_fit_schemas_and_objects() {
    let check = |from: &str, to: &str| {
        let definition = definition(from, to);
        let components = [component(&definition, "database", STATEFUL_SET)];
        super::check_values(&definition, &components).map_err(|error| format!("{} {error}", error.code().id))
    };
    check("default: 2Gi", "default: 2Gi").expect("good");
    let refusals: Vec<_> = [
        check("default: 2Gi", "default: 2"),
        check("schema: {type: string}", "schema: {type: nothing}"),
        check("resources/limits/memory", "resources/limits/memry"),
        check("kind: StatefulSet, name: database", "kind: Deployment, name: database"),
    ]
    .into_iter()
    .map(|result| result.expect_err("refused"))
    .map(|error| {
        error[..error.find("release.yaml").unwrap_or(0).min(7)].to_owned()
            + &error[error.find("release.yaml").unwrap_or(0)..]
    })
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
    let schema = site_schema(&definition("name: small", "name: small")).expect("a schema");
    assert_eq!(
        schema.pointer("/properties/values/properties/database.storage/default"),
        Some(&serde_json::json!("2Gi"))
    );
    let validator = jsonschema::validator_for(&schema).expect("schema");
    assert!(
        validator
            .is_valid(&serde_json::json!({ "node": { "name": "a" }, "network": { "podRanges": ["10.0.0.0/16"] } }))
    );
    let every = include_str!("../../../site/src/configuration/every-setting.yaml");
    let every: serde_json::Value = serde_saphyr::from_str(every).expect("YAML");
    assert_eq!(validator.validate(&every).map_err(|error| error.to_string()), Ok(()));
    for unknown in [
        serde_json::json!({ "nodes": {} }),
        serde_json::json!({ "backups": { "copy": [] } }),
        serde_json::json!({ "backups": { "time": "3:15" } }),
        serde_json::json!({ "backups": { "keep": { "yearly": 1 } } }),
        serde_json::json!({ "backups": { "buckets": [{ "name": "offsite" }] } }),
        serde_json::json!({ "node": { "adress": "192.0.2.1" } }),
        serde_json::json!({ "network": { "podRange": [] } }),
        serde_json::json!({ "values": { "database.storag": "2Gi" } }),
    ] {
        assert!(!validator.is_valid(&unknown), "{unknown}");
    }
}

#[test]
fn editable_fields_must_exist() {
    let check = |field: &str| {
        let to = format!("namespace: database\n    editable: [{field}]");
        let definition = definition("namespace: database", &to);
        let components = [component(&definition, "database", STATEFUL_SET)];
        super::check_editable(&definition, &components).map_err(|error| format!("{} {error}", error.code().id))
    };
    check("{kind: StatefulSet, name: database, path: /spec/replicas}").expect("good");
    check("{kind: StatefulSet, name: database, path: /spec/template}").expect("a part");
    let refused = [
        "{kind: StatefulSet, name: database, path: /spec/replica}",
        "{kind: StatefulSet, name: database, path: \"\"}",
        "{kind: Deployment, name: database, path: /spec/replicas}",
    ];
    let found = refused.map(|field| check(field).expect_err(field));
    let ends = [
        "StatefulSet/database has no field /spec/replica",
        "the whole of StatefulSet/database cannot be editable",
        "the component renders no Deployment/database",
    ];
    for (found, end) in found.iter().zip(ends) {
        assert!(found.starts_with("LF2038") && found.ends_with(end), "{found}");
    }
}

#[test]
fn source_file_of_object_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        landfall_media::durable::write_file(&folder.path().join(name), text.as_bytes(), 0o644).expect("file");
    };
    write("kustomization.yaml", "resources: [settings.yaml]\nnamePrefix: the-\n");
    write("broken.yaml", "a: [");
    write(
        "settings.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: \
         {name: b}\n",
    );
    let named = |name: &str| {
        let object = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
        source(folder.path(), &object).file_name().expect("name").to_owned()
    };
    assert_eq!(named("b"), "settings.yaml");
    assert_eq!(named("the-b"), "kustomization.yaml");
}

/// A script replaces kubectl, because only the error matters; the tests crate renders with the real one.
#[test]
fn kubectl_refusal_names_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        landfall_media::durable::create_folder(path.parent().expect("folder")).expect("folder");
        landfall_test_support::runnable::write_program(&path, text);
        path
    };
    notation::write(folder.path(), DEFINITION);
    write("manifests/network/kustomization.yaml", "resources: [broken.yaml]\n");
    let script = write(
        "kubectl",
        "#!/bin/sh\necho 'error: broken.yaml: yaml: line 2: did not find expected node' >&2\nexit 1\n",
    );
    assert_eq!(fs_err::metadata(&script).expect("script").permissions().mode() & 0o777, 0o755);
    let mut definition = crate::release::read(folder.path()).expect("definition");
    let kubectl = Program::find(Tool::Kubectl, &script, &lock()).expect("found");
    let refusal = |error: crate::BuildError| {
        format!("{} {error}", error.code().id).replace(&format!("{}/", folder.path().display()), "")
    };
    let refused = refusal(render(&mut definition, &kubectl, &Charts::default()).expect_err("refused"));
    let nothing =
        refusal(Program::find(Tool::Kubectl, &folder.path().join("none/kubectl"), &lock()).expect_err("missing"));
    landfall_media::durable::remove_file(&folder.path().join("manifests/network/kustomization.yaml")).expect("removed");
    let without = refusal(render(&mut definition, &kubectl, &Charts::default()).expect_err("no kustomization"));
    insta::assert_snapshot!([refused, nothing, without].join("\n"));
}

#[test]
fn missing_kubectl_names_recorded_version() {
    let hint = |lock: &Lock| {
        let missing = Program::find(Tool::Kubectl, Path::new("kubectl-that-nobody-has"), lock).expect_err("missing");
        assert_eq!(missing.code().id, "LF2015");
        CodedError::hint(&missing).expect("hint")
    };
    assert!(
        hint(&lock()).starts_with("Install the kubectl that renders this release from now on"),
        "{}",
        hint(&lock())
    );
    let digest = format!("sha256:{}", "ab".repeat(32));
    let pinned = format!("renderer: {{version: v1.36.3, digest: '{digest}'}}\n{LOCK}");
    let pinned = Lock::parse(Path::new("images.lock"), pinned).expect("lock");
    let wanted = format!("Install kubectl v1.36.3, {digest}, which the lock records, or name its path with --kubectl.");
    assert_eq!(hint(&pinned), wanted);
}
