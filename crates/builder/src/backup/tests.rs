use landfall_release_document::{ComponentData, TextExpectation};
use serde_json::{Value, json};

use super::{check_rendered, rules};
use crate::definition::Definition;
use crate::proofs::tests::{error_text, read_text};
use crate::render::tests::starter;
use crate::rendered::{Origin, RenderedComponent};

const GOOD: &str = include_str!("../definition/good.yaml");

const DATA: &str = "    data: kept
    backup:
      - name: rows
        workload: StatefulSet/database
        container: server
        volume: data
        save: [sh, -euc, dump]
        load: [sh, -euc, fill]
        log:
          keep: [keep]
          save: [save]
          saved: [saved]
          load: [place]
          recover: [recover, '%{time}']
        marker:
          write: [set, '%{marker}']
          read: [get]
        checks:
          - shows: Every page is intact
            arguments: [check]
          - shows: The server answers
            arguments: [ask]
            limitSeconds: 20
            expect: {exitCode: 1, stdout: {contains: never}}
";

/// The valid definition, with a backup rule for the database.
fn text() -> String {
    let needs = "    needs: [network]\n";
    assert_eq!(GOOD.matches(needs).count(), 1);
    GOOD.replacen(needs, &format!("{needs}{DATA}"), 1)
}

fn changed_text(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "the good definition lost `{from}`");
    text.replacen(from, to, 1)
}

fn good() -> Definition {
    read_text(&text()).expect("good")
}

#[test]
fn misdeclared_data_and_rules_are_refused() {
    let refusal = |from: &str, to: &str| {
        let text = changed_text(from, to);
        error_text(&read_text(&text).expect_err("refused"), &text)
    };
    let (declared, rule) = DATA.split_once("    backup:\n").expect("a rule");
    let (_, shown) = rule.split_once("        marker:\n").expect("a marker");
    let refusals = [
        refusal(declared, ""),
        refusal(declared, "    data: none\n"),
        refusal(declared, "    data: lost\n"),
        refusal(rule, "      []\n"),
        refusal(DATA, "    data: migrated\n"),
        refusal(DATA, &format!("{DATA}{}", rule.replace("[check]", "[verify]"))),
        refusal(
            DATA,
            &format!("{DATA}{}", (1..=16).map(|n| rule.replace("rows", &format!("rows-{n}"))).collect::<String>()),
        ),
        refusal("name: rows", "name: database/rows"),
        refusal("workload: StatefulSet/database", "workload: StatefullSet/database"),
        refusal("workload: StatefulSet/database", "workload: StatefulSet/Database"),
        refusal("container: server", "container: Server"),
        refusal("volume: data", "volume: /data"),
        refusal("        volume: data\n", ""),
        refusal("volume: data\n", "volume: data\n        limitSeconds: 0\n"),
        refusal("save: [sh, -euc, dump]", "save: []"),
        refusal("save: [sh, -euc, dump]", "save: dump"),
        refusal("load: [sh, -euc, fill]", "load: ['', fill]"),
        refusal("load: [sh, -euc, fill]", "restore: [sh, -euc, fill]"),
        refusal("keep: [keep]", "keep: []"),
        refusal("          saved: [saved]\n", ""),
        refusal("'%{time}'", "'{time}'"),
        refusal("'%{marker}'", "'{marker}'"),
        refusal("read: [get]", "read: [echo, '%{marker}']"),
        refusal("          read: [get]\n", ""),
        refusal(&format!("        marker:\n{shown}"), ""),
        refusal("shows: Every page is intact", "shows: ''"),
        refusal("arguments: [ask]", "arguments: []"),
        refusal("limitSeconds: 20", "limitSeconds: 90000"),
        refusal("{contains: never}", "{contains: ''}"),
        refusal("{contains: never}", "{contains: never, equals: never}"),
        refusal("exitCode: 1", "exitCode: 256"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn omitted_fields_get_defaults() {
    let definition = good();
    let index = definition.order[1];
    let (data, rules) = rules(&definition, index).expect("rules");
    assert_eq!((data, rules.len()), (ComponentData::Kept, 1));
    let rule = &rules[0];
    assert_eq!((rule.limit_seconds, rule.stream("database")), (3600, "database/rows".to_owned()));
    let [first, second] = &rule.checks[..] else { panic!("two checks: {:?}", rule.checks) };
    assert_eq!((first.limit_seconds, first.expect.exit_code, &first.expect.stdout), (300, 0, &None));
    let never = TextExpectation::Contains("never".to_owned());
    assert_eq!((second.limit_seconds, second.expect.exit_code, &second.expect.stdout), (20, 1, &Some(never)));
    let others = definition.order.iter().filter(|other| **other != index);
    for other in others {
        assert_eq!(super::rules(&definition, *other).expect("none"), (ComponentData::None, Vec::new()));
    }
}

/// Rendered components: a database with its own volume, and a service that mounts an artifact.
fn sample_components(definition: &Definition) -> Vec<RenderedComponent> {
    let container = |name: &str, volume: &str| json!({ "name": name, "volumeMounts": [{ "name": volume }] });
    let database = json!({
        "kind": "StatefulSet", "metadata": { "name": "database" }, "spec": {
            "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
            "template": { "spec": {
                "containers": [container("sidecar", "run"), container("server", "data")],
                "volumes": [{ "name": "run", "emptyDir": {} }],
            } },
        },
    });
    let assistant = json!({
        "kind": "Deployment", "metadata": { "name": "assistant" }, "spec": { "template": { "spec": {
            "containers": [container("assistant", "model")],
            "volumes": [{ "name": "model", "persistentVolumeClaim": { "claimName": "model" } }],
        } } },
    });
    [("database", database), ("assistant", assistant)].map(|(name, object)| of(definition, name, object)).into()
}

fn of(definition: &Definition, name: &str, object: Value) -> RenderedComponent {
    let components = &definition.release.components;
    let index = components.iter().position(|component| component.name.value == name).expect("component");
    RenderedComponent { index, origin: Origin::Folder(format!("manifests/{name}").into()), objects: vec![object] }
}

#[test]
fn component_volumes_must_be_declared() {
    let refusal = |text: &str, more: &[(&str, Value)]| {
        let definition = read_text(text).expect("valid release");
        let mut components = sample_components(&definition);
        for (name, object) in more {
            let of_component = components.iter_mut().find(|component| {
                let index = component.index;
                definition.release.components[index].name.value == *name
            });
            of_component.expect("component").objects.push(object.clone());
        }
        check_rendered(&definition, &components).map_err(|error| error_text(&error, text))
    };
    let claim = |name: &str| json!({ "kind": "PersistentVolumeClaim", "metadata": { "name": name } });
    assert_eq!(refusal(&text(), &[]), Ok(()));
    assert_eq!(refusal(&text(), &[("assistant", claim("model"))]), Ok(()), "an artifact is not data");
    let unsaved = |volume: &str, because: &str| {
        changed_text(DATA, &format!("{DATA}    unsaved: [{{volume: {volume}, because: '{because}'}}]\n"))
    };
    let files = unsaved("PersistentVolumeClaim/files", "a cache");
    assert_eq!(refusal(&files, &[("database", claim("files"))]), Ok(()), "nothing was forgotten");
    let alone = changed_text(DATA, "    unsaved: [{volume: StatefulSet/database/data, because: a cache}]\n");
    assert_eq!(refusal(&alone, &[]), Ok(()), "a cache needs no rule");
    let refusals = [
        refusal(GOOD, &[]),
        refusal(&changed_text(DATA, "    data: none\n"), &[]),
        refusal(&text(), &[("assistant", claim("files"))]),
        refusal(&text(), &[("database", claim("files")), ("database", claim("more"))]),
        refusal(&files, &[]),
        refusal(&unsaved("StatefulSet/database/data", "a cache"), &[]),
        refusal(&unsaved("PersistentVolumeClaim/files", " "), &[("database", claim("files"))]),
    ];
    insta::assert_snapshot!(refusals.map(|refused| refused.expect_err("refused")).join("\n"));
}

#[test]
fn unrendered_workloads_cannot_be_saved() {
    let refusal = |from: &str, to: &str| {
        let text = changed_text(from, to);
        let definition = read_text(&text).expect("valid release");
        error_text(&check_rendered(&definition, &sample_components(&definition)).expect_err("refused"), &text)
    };
    let of_assistant = DATA.replace("StatefulSet/database", "Deployment/assistant").replace("server", "assistant");
    let for_model = of_assistant.replace("volume: data", "volume: model");
    let needs = "    needs: [database]\n";
    let refusals = [
        refusal("workload: StatefulSet/database", "workload: StatefulSet/databse"),
        refusal("workload: StatefulSet/database", "workload: Deployment/assistant"),
        refusal("container: server", "container: servr"),
        refusal("container: server", "container: sidecar"),
        refusal("        container: server\n", ""),
        refusal("volume: data", "volume: date"),
        refusal("volume: data", "volume: run"),
        refusal(needs, &format!("{needs}{for_model}")),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn data_outside_one_volume_is_refused() {
    let text = text();
    let definition = read_text(&text).expect("valid release");
    let refusal = |pointer: &str, value: Value| {
        let mut components = sample_components(&definition);
        let spec = &mut components[0].objects[0]["spec"];
        spec[pointer] = value;
        check_rendered(&definition, &components).map_err(|error| error_text(&error, &text))
    };
    assert_eq!(refusal("replicas", json!(1)), Ok(()));
    let replicated =
        changed_text(DATA, "    unsaved: [{volume: StatefulSet/database/data, because: members replicate}]\n");
    let replicated = read_text(&replicated).expect("valid release");
    let mut three = sample_components(&replicated);
    three[0].objects[0]["spec"]["replicas"] = json!(3);
    check_rendered(&replicated, &three).expect("stated");
    let policy = |when: &str| json!({ "whenScaled": when });
    assert_eq!(refusal("persistentVolumeClaimRetentionPolicy", policy("Retain")), Ok(()));
    let refusals = [refusal("replicas", json!(3)), refusal("persistentVolumeClaimRetentionPolicy", policy("Delete"))];
    insta::assert_snapshot!(refusals.map(|refused| refused.expect_err("refused")).join("\n"), @"
    LF2002 <workload: StatefulSet/database> backup[0].workload: StatefulSet/database has 3 pods, each with a volume of its own, and a rule saves one volume => Where the software makes a lost replica again, say so under `unsaved` of the component, in place of the rule. Otherwise let it run in one pod, or give each pod a component of its own.
    LF2002 <workload: StatefulSet/database> backup[0].workload: StatefulSet/database deletes its volumes when it is stopped (`whenScaled: Delete`) => Let it keep them, with `whenScaled: Retain`.
    ");
}

#[test]
fn duplicate_claim_rules_are_refused() {
    let rule = DATA.split_once("      - name: rows").expect("a rule").1;
    let text = text().replacen(DATA, &format!("{DATA}      - name: again{rule}"), 1);
    let definition = read_text(&text).expect("valid release");
    let error = error_text(&check_rendered(&definition, &sample_components(&definition)).expect_err("refused"), &text);
    assert!(error.contains("the rules `database/rows` and `again` save one claim"), "{error}");
}

#[test]
fn daemon_mounted_claim_is_refused() {
    let text = text();
    let definition = read_text(&text).expect("valid release");
    let mut components = sample_components(&definition);
    let volumes = json!([{"name": "rows", "persistentVolumeClaim": {"claimName": "data-database-0"}}]);
    let daemons = json!({"kind": "DaemonSet", "metadata": {"name": "reader"},
        "spec": {"template": {"spec": {"volumes": volumes}}}});
    components[0].objects.push(daemons);
    let error = error_text(&check_rendered(&definition, &components).expect_err("refused"), &text);
    assert!(error.contains("DaemonSet/reader mounts the claim of `rows`, and cannot be stopped"), "{error}");
}

#[test]
fn starter_release_backs_up_kept_data() {
    let (definition, components) = starter();
    check_rendered(&definition, &components).expect("its rules fit its manifests");
    let of = |component: &RenderedComponent| {
        let (data, rules) = rules(&definition, component.index).expect("rules");
        let name = &definition.release.components[component.index].name.value;
        (!data.is_none()).then(|| json!({ "component": name, "data": data, "backup": rules }))
    };
    let saved: Vec<Value> = components.iter().filter_map(of).collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&saved).expect("JSON"));
}
