use landfall_error_codes::CodedError;
use landfall_release_document::{ReleaseDocument, SiteValue, ValueTarget};
use serde_json::{Value, json};

use super::*;

const SCHEMA: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "properties": {"values": {"type": "object", "additionalProperties": false, "properties": {
        "postgres.storage": {"type": "string", "pattern": "^[1-9][0-9]*(Mi|Gi)$"},
        "valkey.replicas": {"type": "integer", "minimum": 1, "maximum": 3}
    }}}
}"#;

fn parse(text: &str) -> Result<SiteConfiguration, ConfigurationError> {
    SiteConfiguration::parse(text, "site.yaml", SCHEMA.as_bytes())
}

fn refusal(text: &str) -> (&'static str, String) {
    let error = parse(text).unwrap_err();
    (error.code().id, error.to_string())
}

/// A new setting needs a place in the file, which also tests the builder's schema.
#[test]
fn every_setting_is_read() {
    let read = parse(include_str!("every-setting.yaml")).unwrap();
    let SiteConfiguration { node, network, backups, accept, secrets: _, values: _ } = &read;
    let BackupSettings { time, keep, point_in_time_days, copies, buckets } = backups;
    let KeepSettings { hourly, daily, weekly, monthly } = keep.unwrap();
    assert!(node.name.is_some() && node.address.is_some());
    assert!(!network.pod_ranges.is_empty() && !network.service_ranges.is_empty());
    assert!(time.is_some() && [hourly, daily, weekly, monthly].iter().all(|kept| *kept > 0));
    assert!(point_in_time_days.is_some() && !copies.is_empty() && !accept.is_empty());
    let bucket = serde_json::to_value(&buckets[0]).unwrap();
    let names: Vec<&str> = bucket.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["authority", "bucket", "credentials", "endpoint", "name", "pathStyle", "prefix", "region"];
    assert_eq!(names, expected);
}

#[test]
fn site_settings_round_trip() {
    let configuration = parse(
        "node: {name: edge-1, address: 192.0.2.7}\n\
         network:\n  podRanges: [10.244.0.0/16]\n  serviceRanges: [10.96.0.0/16]\n\
         values:\n  postgres.storage: 5Gi\n  valkey.replicas: 2\n",
    )
    .unwrap();
    assert_eq!(configuration.node.name.as_deref(), Some("edge-1"));
    assert_eq!(configuration.network.pod_ranges[0].to_string(), "10.244.0.0/16");
    assert_eq!(configuration.values["valkey.replicas"], json!(2));
    let pinned = serde_json::to_string(&configuration).unwrap();
    assert_eq!(serde_json::from_str::<SiteConfiguration>(&pinned).unwrap(), configuration);
}

#[test]
fn formatting_does_not_matter() {
    let one = parse("values: {valkey.replicas: 2, postgres.storage: 5Gi}\nnode: {}").unwrap();
    let other = parse("# a comment\nvalues:\n  postgres.storage: '5Gi'\n  valkey.replicas: 2\n").unwrap();
    assert_eq!(one, other);
    assert_ne!(one, parse("values: {valkey.replicas: 3}").unwrap());
    for empty in ["", "# nothing\n", "values:\n", "{}"] {
        assert_eq!(parse(empty).unwrap(), SiteConfiguration::default(), "{empty:?}");
    }
}

#[test]
fn changed_values_keep_other_settings() {
    let before = parse("node: {name: edge-1}\nvalues: {postgres.storage: 5Gi, valkey.replicas: 2}").unwrap();
    let with = |changed: &[(&str, Value)]| {
        let changed = changed.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        before.with_values(&changed, "the changed settings", SCHEMA.as_bytes())
    };
    assert_eq!(with(&[]).unwrap(), before);
    let after = with(&[("valkey.replicas", json!(3)), ("postgres.storage", Value::Null)]).unwrap();
    assert_eq!(after, parse("node: {name: edge-1}\nvalues: {valkey.replicas: 3}").unwrap());
    let error =
        with(&[("valkey.replicas", json!(9)), ("postgres.storage", json!("5Gi\nnode: {name: other}"))]).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.code().id, "LF3104");
    assert!(text.contains("values.valkey.replicas") && text.contains("values.postgres.storage"), "{text}");
    assert_eq!(with(&[("node", json!({ "name": "other" }))]).unwrap_err().code().id, "LF3103");
}

#[test]
fn unknown_value_stays_until_removed() {
    let mut before = parse("values: {valkey.replicas: 2}").unwrap();
    before.values.insert("cache.size".to_owned(), json!("64mb"));
    let with = |name: &str, value: Value| {
        before.with_values(&[(name.to_owned(), value)].into(), "the changed settings", SCHEMA.as_bytes())
    };
    assert_eq!(before.with_values(&BTreeMap::new(), "the settings of this site", SCHEMA.as_bytes()).unwrap(), before);
    let changed = with("valkey.replicas", json!(3)).unwrap();
    assert_eq!(changed.values.get("cache.size"), Some(&json!("64mb")));
    assert_eq!(with("cache.size", json!("128mb")).unwrap_err().code().id, "LF3103", "it cannot be changed now");
    assert_eq!(with("cache.size", Value::Null).unwrap(), parse("values: {valkey.replicas: 2}").unwrap());
}

#[test]
fn unknown_keys_suggest_the_nearest() {
    let (code, message) = refusal("netwrok: {}\nnode: {adress: 10.0.0.1}\nvalues: {postgres.storag: 1Gi}");
    assert_eq!(code, "LF3103");
    assert_eq!(
        message,
        "site.yaml: netwrok: the key is not known; did you mean `network`?; \
         node.adress: the key is not known; did you mean `address`?; \
         values.postgres.storag: the key is not known; did you mean `postgres.storage`?"
    );
    let (_, message) = refusal("values: {something.else.entirely: 1}");
    assert!(message.ends_with("the key is not known; known are postgres.storage, valkey.replicas"), "{message}");
}

#[test]
fn all_violations_are_reported() {
    let (code, message) = refusal("values: {postgres.storage: lots, valkey.replicas: 9}\nnode: {address: nowhere}");
    assert_eq!(code, "LF3104");
    for part in ["values.postgres.storage: ", "values.valkey.replicas: ", "node: invalid IP address"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn impossible_networks_are_refused() {
    for (text, part) in [
        ("node: {name: Edge_1}", "node.name: `Edge_1`"),
        ("node: {address: 127.0.0.1}", "node.address: 127.0.0.1"),
        ("network: {podRanges: [10.0.0.0/8], serviceRanges: [10.96.0.0/16]}", "overlaps"),
        ("node: {address: 10.96.3.4}\nnetwork: {serviceRanges: [10.96.0.0/16]}", "contains the node's own address"),
        ("network: {podRanges: [10.244.3.0/16]}", "not a range"),
    ] {
        let (code, message) = refusal(text);
        assert!(code == "LF3104" && message.contains(part), "{code} {message}");
    }
}

#[test]
fn bad_syntax_names_its_line() {
    for text in ["node: [", "node: {name: a}\nnode: {name: b}", "- a\n- b", "just text"] {
        let (code, message) = refusal(text);
        assert!(code == "LF3102" && message.starts_with("site.yaml: "), "{code} {message}");
    }
    assert!(refusal("node:\n  name: a\n bad").1.contains("line 3"), "{}", refusal("node:\n  name: a\n bad").1);
    let error = SiteConfiguration::parse("", "site.yaml", b"{\"type\": 7}").unwrap_err();
    assert_eq!(error.code().id, "LF3106");
    let error = SiteConfiguration::read("/nonexistent/site.yaml".as_ref(), b"{}").unwrap_err();
    assert_eq!(error.code().id, "LF3101");
}

fn value(name: &str, default: Option<Value>, path: &str) -> SiteValue {
    let target = ValueTarget {
        component: "postgres".to_owned(),
        kind: "StatefulSet".to_owned(),
        name: "postgres".to_owned(),
        path: path.to_owned(),
    };
    SiteValue { name: name.to_owned(), schema: json!({}), default, targets: vec![target] }
}

fn release(values: Vec<SiteValue>) -> ReleaseDocument {
    let document = json!({
        "type": "landfall.dev/release/1", "name": "starter", "version": "1.0.0", "counter": 1, "assembled": false,
        "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "components": [], "values": [],
        "requirements": {"cores": 1, "memory_bytes": 1, "data_bytes": 1},
    });
    ReleaseDocument { values, ..serde_json::from_value(document).unwrap() }
}

#[test]
fn computed_values_cannot_be_set() {
    let release = release(vec![
        value("postgres.storage", Some(json!("1Gi")), "/spec/a"),
        value("postgres.memory", Some(json!("1Gi")), "/spec/b"),
        value("postgres.optional", None, "/spec/c"),
        value("cluster.podRange", None, "/spec/d"),
    ]);
    let computed = ResolvedValues::from([
        ("cluster.podRange".to_owned(), json!("10.244.0.0/16")),
        ("cluster.unused".to_owned(), json!(1)),
    ]);
    let site =
        SiteConfiguration { values: [("postgres.storage".to_owned(), json!("5Gi"))].into(), ..Default::default() };
    let resolved = resolve_values(&release, &site, &computed).unwrap();
    let expected = json!({"postgres.storage": "5Gi", "postgres.memory": "1Gi", "cluster.podRange": "10.244.0.0/16"});
    assert_eq!(json!(resolved), expected);

    let site = SiteConfiguration {
        values: [("cluster.podRange".to_owned(), json!("x")), ("nobody".to_owned(), json!("x"))].into(),
        ..Default::default()
    };
    let error = resolve_values(&release, &site, &ResolvedValues::new()).unwrap_err();
    let paths: Vec<&str> = error.problems().iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["values.cluster.podRange"], "what another release has does not count");
}

#[test]
fn values_reach_only_declared_fields() {
    let objects = || {
        vec![
            json!({"kind": "Service", "metadata": {"name": "postgres"}, "spec": {"replicas": 0}}),
            json!({"kind": "StatefulSet", "metadata": {"name": "postgres"},
                "spec": {"replicas": 1, "claims": [{"size": "1Gi"}]}}),
        ]
    };
    let resolved = ResolvedValues::from([("size".to_owned(), json!("9Gi")), ("replicas".to_owned(), json!(3))]);
    let values = [
        value("size", None, "/spec/claims/0/size"),
        value("replicas", None, "/spec/replicas"),
        value("unset", None, "/nowhere"),
    ];
    let apply = |component: &str, objects: Vec<Value>, values: &[SiteValue]| {
        apply_patches(component, objects, &Patch::of_component(component, values, &resolved))
    };
    let applied = apply("postgres", objects(), &values).unwrap();
    assert_eq!(applied[0], objects()[0]);
    assert_eq!(applied[1]["spec"], json!({"replicas": 3, "claims": [{"size": "9Gi"}]}));
    assert_eq!(apply("other", objects(), &values).unwrap(), objects());

    let wrong = [value("size", None, "/spec/claims/1/size")];
    let error = apply("postgres", objects(), &wrong).unwrap_err();
    assert_eq!(error.to_string(), "component postgres: size: StatefulSet postgres has no field /spec/claims/1/size");
    assert_eq!(error.code().id, "LF3105");
    let error = apply("postgres", vec![], &values).unwrap_err();
    assert_eq!(error.problems().len(), 2);
}

#[test]
fn backup_settings_are_checked() {
    let read = |text: &str| SiteConfiguration::parse(text, "site.yaml", b"{}");
    let text = "backups:\n  time: '03:15'\n  keep: {daily: 7, weekly: 4}\n  copies: [/mnt/a, /mnt/b]\n";
    let settings = read(text).unwrap();
    let again: SiteConfiguration = serde_json::from_value(json!(settings)).unwrap();
    assert_eq!(again, settings);
    assert_eq!(json!(settings)["backups"]["time"], "03:15");
    assert!(json!(read("").unwrap()).get("backups").is_none(), "what is not set is not recorded");
    for (text, words) in [
        ("backups: {time: 3}", "backups"),
        ("backups: {time: '3:15'}", "`3:15` is not a time of day such as 02:30"),
        ("backups: {keep: {yearly: 1}}", "unknown field `yearly`"),
        ("backups: {keep: {}}", "at least one of hourly, daily, weekly and monthly must be above 0"),
        ("backups: {copies: [mnt/a]}", "mnt/a must begin with /"),
        ("backups: {copies: [/mnt/a, /mnt/a]}", "/mnt/a is listed twice"),
        ("backups: {copies: [/var/lib/landfall/copies]}", "in the data folder"),
        ("backups: {copy: [/mnt/a]}", "did you mean `copies`?"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

/// A person may write the password itself instead of its file: no journal or log may contain it.
#[test]
fn problems_never_quote_secrets() {
    let text =
        "secrets:\n  directory: {fromFile: /root/password}\n  front: {fromFile: /root/a, keyFromFile: /root/b}\n";
    let settings = parse(text).unwrap();
    assert_eq!(settings.secrets["front"].files().len(), 2);
    assert_eq!(json!(settings)["secrets"]["directory"], json!({"fromFile": "/root/password"}));
    assert_eq!(serde_json::from_value::<SiteConfiguration>(json!(settings)).unwrap(), settings);
    assert!(json!(parse("").unwrap()).get("secrets").is_none(), "what is not set is not recorded");
    for (text, words) in [
        ("secrets: {directory: canary}", "secrets.directory: write `{fromFile: /PATH}`"),
        ("secrets: {directory: {value: canary}}", "a value does not belong here"),
        ("secrets: {directory: {fromFile: /a, canary: 1}}", "secrets.directory: write"),
        ("secrets: {directory: {fromFile: canary}}", "the path of a file must begin with /"),
        ("secrets: [canary]", "it must be a mapping of names to files"),
    ] {
        let (code, message) = refusal(text);
        assert!(code == "LF3104" && message.contains(words) && !message.contains("canary"), "{text}: {message}");
    }
    let (code, message) = refusal("secrets:\n  directory: canary: {fromFile\n");
    assert!(code == "LF3102" && message.contains("at line ") && !message.contains("canary"), "{code} {message}");
}
