use std::path::Path;

use landfall_error_codes::CodedError as _;
use landfall_test_support::definition as notation;

use super::Definition;
use crate::proofs::tests::read_text;
use crate::release::read;

const GOOD: &str = include_str!("good.yaml");

/// Reads the valid definition with one text replaced; returns the error without its folder.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the good definition lost `{from}`");
    let folder = tempfile::tempdir().expect("folder");
    notation::write(folder.path(), &GOOD.replacen(from, to, 1));
    let error = read(&folder.path().join("release.yaml")).expect_err("refused");
    format!("{} {}", error.code().id, error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn stated_paths_are_machine_independent() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path();
    let path = root.join("release/release.yaml");
    for inner in ["release/manifests/app", "elsewhere/app"] {
        fs_err::create_dir_all(root.join(inner)).expect("folder");
    }
    notation::write(&root.join("release"), GOOD);
    let mut definition = read(&path).expect("definition");
    let stated = |definition: &Definition, written: &Path, below: &str| {
        definition.provenance_path("app", written, Path::new(below))
    };
    for named in [path, "release.yaml".into(), "./release.yaml".into()] {
        definition.path = named;
        for (written, below, expected) in [
            ("manifests/app", "one.yaml", "manifests/app/one.yaml"),
            ("./manifests/app", "../base/one.yaml", "manifests/base/one.yaml"),
            ("../../manifests/app", "../base/one.yaml", "../../manifests/base/one.yaml"),
            ("values/app.yaml", "", "values/app.yaml"),
        ] {
            assert_eq!(stated(&definition, Path::new(written), below), expected);
        }
    }
    // For an absolute path, the result contains nothing that is specific to the machine.
    definition.path = root.join("release/release.yaml");
    assert_eq!(stated(&definition, &root.join("release/manifests/app"), "one.yaml"), "manifests/app/one.yaml");
    let elsewhere = root.join("elsewhere/app");
    assert_eq!(stated(&definition, &elsewhere, "one.yaml"), "app/one.yaml");
    assert_eq!(stated(&definition, &elsewhere, "../base/one.yaml"), "app/../base/one.yaml");
    assert_eq!(stated(&definition, &elsewhere.join("values.yaml"), ""), "app/values.yaml");
}

#[test]
fn invalid_image_field_paths_are_refused() {
    for (path, what) in [
        ("spec/image", "`spec/image` is not a JSON Pointer: it begins with `/`"),
        ("/spec//image", "`/spec//image` has the segment ``: write a key, a number, `*` or `[name=NAME]`"),
        ("/spec/[name]/x", "`/spec/[name]/x` has the segment `[name]`: write a key, a number, `*` or `[name=NAME]`"),
    ] {
        let table = format!("imageFields:\n  - {{group: example.com, kind: Thing, path: '{path}'}}\nvalues:");
        let refused = refusal("values:", &table);
        assert!(refused.starts_with("LF2002") && refused.ends_with(what), "{refused}");
        assert!(refused.contains("imageFields[0].path"), "{refused}");
    }
}

/// A list with one rule.
fn rule(require: &str) -> String {
    format!(
        "rules:\n  - name: enough\n    severity: blocker\n    require: \"{require}\"\n    message: Too small\n    fix: \
         Buy more.\n    measured: {{cel: facts.cores}}\n    threshold: 8 cores"
    )
}

#[test]
fn rules_and_gpus_reach_the_release() {
    let folder = tempfile::tempdir().expect("folder");
    let text = GOOD.replacen("counter: 7", &format!("counter: 7\n{}", rule("facts.cores >= 8")), 1);
    let gpus =
        "data: 10Gi, gpus: {count: 2, memory: 24Gi, computeCapability: \"8.9\", driver: \"570.86.15\", mig: whole}}";
    let text = text.replacen("data: 10Gi}", gpus, 1);
    notation::write(folder.path(), &text);
    let release = read(folder.path()).expect("read").release;
    assert_eq!(release.rules[0].value.name, "enough");
    let gpus = release.requirements.figures().gpus.expect("GPUs");
    assert_eq!((gpus.count, gpus.memory_bytes, gpus.driver.as_deref()), (2, Some(24 << 30), Some("570.86.15")));
}

#[test]
fn definition_is_read_and_ordered() {
    let folder = tempfile::tempdir().expect("folder");
    notation::write(folder.path(), GOOD);
    let definition = read(folder.path()).expect("good");
    let names: Vec<_> =
        definition.order.iter().map(|&i| definition.release.components[i].name.value.as_str()).collect();
    assert_eq!(names, ["network", "database", "assistant"]);
    assert_eq!(definition.release.requirements.memory.0, 4 << 30);
}

#[test]
fn contradictory_upgrade_lists_are_refused() {
    let with = |list: &str| format!("counter: 7\nupgrades: {list}");
    let refused = |list: &str| refusal("counter: 7", &with(list));
    let refusals = [
        refused("\n  - {from: 1.1.0}\n  - {from: 1.2.3}"),
        refused("\n  - {from: 1.1.0}\n  - {from: 1.1.0}"),
        refused("\n  - {from: 1 1}"),
        refused("\n  - from: 1.0.0\n    through: 1.1.0"),
        refused("\n  - {from: 1.1.0, through: 1.0.0}\n  - {from: 1.0.0, through: 1.1.0}"),
        refused("[{from: 1.1.0, trough: 1.0.0}]"),
        refused("1.1.0"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
    for (list, paths) in [("[]", 0), ("[{from: 1.1.0}, {from: 1.0.0, through: 1.1.0}]", 2)] {
        let definition = read_text(&GOOD.replacen("counter: 7", &with(list), 1)).expect(list);
        assert_eq!(definition.release.upgrade_paths().map(|paths| paths.len()), Some(paths), "{list}");
    }
    assert_eq!(read_text(GOOD).expect("good").release.upgrade_paths(), None);
}

#[test]
fn node_packs_cover_each_minor_version() {
    let (start, end) =
        (GOOD.find("  - kubernetes: v1.36").expect("a pack"), GOOD.find("artifacts:\n").expect("its end"));
    let pack = |version: &str| GOOD[start..end].replace("v1.36", version);
    let with = |versions: [&str; 2]| format!("{}artifacts:\n  - {{name: k", versions.map(pack).concat());
    let refused = |versions| refusal("artifacts:\n  - {name: k", &with(versions));
    assert_eq!(
        refused(["v1.37", "v1.39"]),
        "LF2002 release.yaml:28: nodePacks[2].kubernetes: the list of node packs has v1.39 after v1.37, and Kubernetes \
         cannot skip v1.38"
    );
    assert!(refused(["v1.37", "v1.37"]).ends_with("nodePacks[2].kubernetes: the list of node packs has v1.37 twice"));
    let earlier = format!("nodePacks:\n{}", ["v1.34", "v1.35"].map(pack).concat());
    let good = GOOD.replacen("nodePacks:\n", &earlier, 1);
    assert_eq!(read_text(&good).expect("good").release.node_packs.len(), 3);
    // Sites run the last one, and objects are checked for one minor version.
    assert_eq!(
        refused(["v1.37", "v1.38"]),
        "LF2002 release.yaml:28: nodePacks[2].kubernetes: the last node pack is of v1.38, and this Landfall checks \
         objects for v1.36 alone"
    );
    assert!(refusal("kubernetes: v1.36", "kubernetes: v1.35").contains("the last node pack is of v1.35, and"));
}

#[test]
fn entitlement_must_be_name() {
    let with = |name: &str| format!("needs: [network]\n    entitlement: {name}");
    let refused = refusal("needs: [network]", &with("Reports"));
    assert!(refused.contains(".entitlement: `Reports` is not a name"), "{refused}");
    let definition = read_text(&GOOD.replacen("needs: [network]", &with("reports"), 1)).expect("good");
    let entitled: Vec<_> =
        definition.release.components.iter().filter_map(|component| component.entitlement.as_ref()).collect();
    assert_eq!(entitled.len(), 1);
}

#[test]
fn components_have_exactly_one_source() {
    let chart = |text: &str| refusal("manifests: manifests/network", text);
    let more = |text: &str| chart(&format!("chart: {{folder: charts/a, {text}}}"));
    let refusals = [
        refusal("manifests: manifests/network", "manifests: a\n    chart: {folder: b}"),
        chart("chart: {folder: a, reference: b.example/c}"),
        chart("chart: {values: [a]}"),
        chart("chart: {reference: 'BAD reference'}"),
        more("release: Network"),
        more("repeatable: [setup]"),
        more("leaveOut: [Job/a, Job/]"),
        more("surprise: 1"),
        refusal("needs: [network]\n", "needs: [network]\n    namespaces: [kube-system, assistant, Later]\n"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
    for good in ["chart: {folder: charts/a}", "chart: {reference: ghcr.io/a/b, values: [c], leaveOut: [Job/a]}"] {
        let definition = read_text(&GOOD.replacen("manifests: manifests/network", good, 1)).expect(good);
        assert!(definition.has_charts());
    }
}

#[test]
fn model_figures_require_model_artifact() {
    let refused = refusal("database.storage", "models.modell.context");
    let said = "`models.modell.context` is a figure of `modell`, which is not an artifact of kind model; did you mean \
        `model`?";
    assert!(refused.contains(said) && refused.contains("values[0].name"), "{refused}");
    assert!(refusal("database.storage", "models.kubernetes.context").contains("not an artifact of kind model"));
    for good in ["models.model.context", "models.other.title"] {
        read_text(&GOOD.replacen("database.storage", good, 1)).expect(good);
    }
}

#[test]
fn refusals_name_line_and_field() {
    let refusals = [
        refusal("needs: [network]", "needs: [netwrok]"),
        refusal("data: 10Gi}", "data: 10Gi, gpus: {count: 0}}"),
        refusal("data: 10Gi}", "data: 10Gi, gpus: {count: 1, computeCapability: \"8\"}}"),
        refusal("data: 10Gi}", "data: 10Gi, gpus: {count: 1, mig: half}}"),
        refusal("counter: 7", &format!("counter: 7\n{}", rule("facts.memroyBytes > 1"))),
        refusal("counter: 7", &format!("counter: 7\n{}", rule("facts.cores"))),
        refusal("counter: 7", &format!("counter: 7\n{}", rule("facts.cores >"))),
        refusal("counter: 7", &format!("counter: 7\n{}", rule("facts.hostname.matches('x')"))),
        refusal("needs: []", "needs: [assistant]"),
        refusal("name: small", "name: Small_Release"),
        refusal("counter: 7", "counter: 0"),
        refusal("counter: 7", "counter: seven"),
        refusal("counter: 7", "counter: 7\nsurprise: true"),
        refusal("counter: 7", "counter: 7\ncounter: 8"),
        refusal("memory: 4Gi", "memory: 4 gigabytes"),
        refusal("  - name: assistant", "  - name: database"),
        refusal("artifact: model", "artifact: modell"),
        refusal("artifact: model", "artifact: kubernetes"),
        refusal("artifacts: [kubernetes]", "artifacts: [model]"),
        refusal("      pause: registry.k8s.io/pause\n", ""),
        refusal("password: 32", "password: 8"),
        refusal("component: database", "component: databse"),
        refusal("name: database.storage", "name: storage"),
        refusal("components:", "components: ]["),
        refusal("podSecurity: privileged", "podSecurity: lax"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn invalid_site_secrets_are_refused() {
    let refused = |text: &str| refusal("    secrets:\n", &format!("    siteSecrets: [{text}]\n    secrets:\n"));
    for (text, why) in [
        ("{name: Directory, meaning: a, value: {password: {}}}", "not the name of an object"),
        ("{name: a, meaning: a, value: {password: {minimum: 9, maximum: 8}}}", "a range of 9 to 8 characters"),
        ("{name: a, meaning: a, value: {password: {pattern: '['}}}", "is not a regular expression"),
        ("{name: a, meaning: a, value: {tls: {names: [database.host]}}}", "which is not a value that a site may set"),
        ("{name: database-password, meaning: a, value: {password: {}}}", "which a site generates"),
        ("{name: a, meaning: a, value: {password: {}}}, {name: a, meaning: a, value: {password: {}}}", "occurs twice"),
        ("{name: a, meaning: a, value: {password: {value: x}}}", "unknown field `value`"),
    ] {
        let found = refused(text);
        assert!(found.contains(why), "{why}: {found}");
    }
}

#[test]
fn device_plugin_values_are_restricted() {
    let with = |plugin: &str, values: &str| {
        let text = GOOD.replacen("data: 10Gi}", &format!("data: 10Gi, gpus: {{count: 1, plugin: {plugin}}}}}"), 1);
        text.replacen("values:\n", &format!("values:\n{values}"), 1)
    };
    let target = "{component: network, kind: ConfigMap, name: plugin, path: /data/a}";
    let value = |name: &str, rest: &str| format!("  - name: {name}\n    targets: [{target}]\n{rest}");
    let strategy = value("gpu.strategy", "    schema: {enum: [none, mixed]}\n    default: none\n");
    let replicas = value("gpu.replicas", "    schema: {enum: [\"1\", \"4\"]}\n    default: \"1\"\n");
    let both = with("{migStrategy: gpu.strategy, replicas: gpu.replicas}", &format!("{strategy}{replicas}"));
    read_text(&both).expect("good");
    read_text(&with("{}", "")).expect("it offers whole GPUs, each to one pod");
    let refusals = [
        (with("{migStrategy: gpu.other}", &strategy), "names the value `gpu.other`, which `values` lacks"),
        (
            with("{migStrategy: gpu.replicas}", &replicas),
            "`gpu.replicas` allows \"1\", which is nothing that `plugin.migStrategy` can be",
        ),
        (
            with("{replicas: gpu.strategy}", &strategy),
            "`gpu.strategy` allows \"none\", which is nothing that `plugin.replicas` can be",
        ),
        (with("{replicas: a.b}", &value("a.b", "    schema: {type: integer}\n    default: 1\n")), "has no `enum`"),
        (with("{replicas: a.b}", &value("a.b", "    schema: {enum: [1, 2]}\n")), "has no default"),
    ];
    for (text, expected) in refusals {
        let refused = read_text(&text).expect_err(expected);
        assert!(refused.code().id == "LF2002" && refused.to_string().contains(expected), "{refused}");
    }
}
