use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::CustomKinds;
use super::expressions::{BYTES, DEPTH};
use super::rules::{CustomRules, pointer};
use crate::corpus::{cases_of_rules, expect_verdicts};

#[test]
fn custom_corpus_has_expected_verdicts() {
    let (definition, cases) = cases_of_rules();
    let kinds = CustomKinds::among([&definition]);
    expect_verdicts(&cases, |object| kinds.check(object));
}

fn rules(schema: &Value) -> Option<CustomRules> {
    CustomRules::of(schema)
}

/// Returns the fault that this rule finds in a number, if any.
fn fault_of(rule: &Value, number: i64) -> Option<String> {
    let schema =
        json!({"type": "object", "properties": {"number": {"type": "integer", "x-kubernetes-validations": [rule]}}});
    rules(&schema)?.check(&json!({"number": number})).err().map(|fault| fault.to_string())
}

#[test]
fn refusal_quotes_rule_and_message() {
    let with_message = json!({"rule": "self > 0", "message": "there must be one"});
    let told = "/number: a rule of its definition is not met: there must be one (self > 0)";
    assert_eq!(fault_of(&with_message, 0).as_deref(), Some(told));
    assert_eq!(fault_of(&with_message, 1), None);
    let without = json!({"rule": "self >\n  0"});
    assert_eq!(fault_of(&without, 0).as_deref(), Some("/number: a rule of its definition is not met (self > 0)"));
    let made = json!({"rule": "self > 0", "message": "m", "messageExpression": "'not ' + string(self)"});
    assert_eq!(fault_of(&made, -1).as_deref(), Some("/number: a rule of its definition is not met: not -1 (self > 0)"));
    let long = json!({"rule": "self > 0", "message": "é".repeat(4000)});
    assert!(fault_of(&long, 0).unwrap().len() < 1000);
}

#[test]
fn unjudgeable_rules_are_skipped() {
    for rule in ["self >", "nobody.knows(self)", "self + 1", "self > 'text'", ""] {
        assert_eq!(fault_of(&json!({ "rule": rule }), 0), None, "{rule}");
    }
    assert_eq!(fault_of(&json!({"message": "no rule"}), 0), None);
    assert_eq!(fault_of(&json!("no rule"), 0), None);
}

#[test]
fn hostile_rule_is_not_parsed() {
    let deep = |levels: usize| format!("{}self{} > 0", "(".repeat(levels), ")".repeat(levels));
    assert!(fault_of(&json!({"rule": deep(DEPTH)}), 0).is_some());
    let long = format!("self > 0 {}", "|| self > 0 ".repeat(BYTES));
    for hostile in [deep(DEPTH + 1), deep(1_000_000), long] {
        assert!(rules(&json!({"x-kubernetes-validations": [{"rule": hostile.clone()}]})).is_none());
        let both = json!({"x-kubernetes-validations": [{"rule": hostile}, {"rule": "self > 0"}]});
        let fault = rules(&both).unwrap().check(&json!(0)).unwrap_err().to_string();
        assert_eq!(fault, "a rule of its definition is not met (self > 0)");
    }
    let message = json!({"rule": "self > 0", "message": "m", "messageExpression": deep(1_000_000)});
    assert!(fault_of(&message, 0).unwrap().contains(": m ("));
    assert!(rules(&json!({"type": "object"})).is_none());
}

#[test]
fn endless_rule_stops_at_deadline() {
    let loops = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| ["self.all(", name, ", "].concat()).concat();
    let schema =
        json!({"type": "array", "x-kubernetes-validations": [{"rule": format!("{loops}true{}", ")".repeat(8))}]});
    let list: Vec<u32> = (0..200).collect();
    let (begun, deadline) = (Instant::now(), Duration::from_millis(200));
    assert_eq!(rules(&schema).unwrap().failed_rule(&json!(list), deadline), None);
    assert!(begun.elapsed() >= deadline, "it ended too early");
}

#[test]
fn paths_become_pointers() {
    let object = json!({"spec": {"hosts": [{"name": "a"}], "labels": {"a.example.com/b": "c", "a": {"example": 1}}}});
    for (path, expected) in [
        ("", ""),
        ("spec", "/spec"),
        ("spec.hosts[0].name", "/spec/hosts/0/name"),
        ("spec.hosts[7].name", "/spec/hosts"),
        ("spec.labels.a.example.com/b", "/spec/labels/a.example.com~1b"),
        ("spec.labels.a.example", "/spec/labels/a/example"),
        ("spec.lab", "/spec"),
        ("[0]", ""),
    ] {
        assert_eq!(pointer(&object, path), expected, "{path}");
    }
}

/// Returns the fault in an object's `spec` by a definition with this schema; empty without a fault.
fn of_spec(schema: &Value, spec: &Value) -> String {
    let definition = json!({
        "kind": "CustomResourceDefinition",
        "spec": {"group": "example.com", "names": {"kind": "Thing"}, "versions": [{"name": "v1", "schema": {
            "openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}}}]},
    });
    let kind = super::CustomKind::of(&definition).expect("a schema that an API server accepts");
    let object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec});
    kind.check(&object).err().map(|fault| fault.to_string()).unwrap_or_default()
}

#[test]
fn patterns_follow_go_syntax() {
    // The pattern for months in an AlertmanagerConfig.
    let months = r"^((?i)january|february|[1-9]|1[0-2])(?:((:((?i)january|february|[1-9]|1[0-2]))$)|$)";
    let of = |pattern: &str| json!({"type": "object", "properties": {"month": {"type": "string", "pattern": pattern}}});
    for month in ["January:February", "FEBRUARY", "3:12"] {
        assert_eq!(of_spec(&of(months), &json!({ "month": month })), "");
    }
    let said = of_spec(&of(months), &json!({"month": "Smarch"}));
    assert_eq!(said, format!("/spec/month: \"Smarch\" does not match \"{months}\""));
    assert_eq!(
        of_spec(&of("a{,5}{"), &json!({"month": "b"})),
        "",
        "patterns that only Go reads are left to the API server"
    );
    let either = json!({"type": "object", "properties": {"pattern": {"type": "string"}},
        "anyOf": [{"properties": {"pattern": {"pattern": "^(?i)a$"}}},
            {"properties": {"pattern": {"pattern": "^b$"}}}]});
    assert_eq!(of_spec(&either, &json!({"pattern": "A"})), "");
    assert!(!of_spec(&either, &json!({"pattern": "c"})).is_empty());
}

#[test]
fn null_counts_as_missing() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string"}, "credential": {"type": "object", "properties": {"name": {"type": "string"}}}}});
    assert_eq!(of_spec(&schema, &json!({"a": "b", "credential": null})), "");
    assert!(of_spec(&schema, &json!({"a": null})).contains("\"a\" is a required property"));
}
