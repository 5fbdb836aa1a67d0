use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

/// Texts, each with the JSON that `sigs.k8s.io/yaml` 1.6 converts it to, or nothing if it refuses the text.
const GO: &str = include_str!("go.json");

#[test]
fn scalars_parse_as_in_go() {
    let cases: Vec<(String, Option<String>)> = serde_json::from_str(GO).expect("cases");
    assert!(cases.len() > 120);
    for (text, expected) in cases {
        let found = read(&text);
        match expected {
            Some(expected) => {
                let expected: Value = serde_json::from_str(&expected).expect("JSON");
                let expected: Vec<Value> = if expected.is_null() { vec![] } else { vec![expected] };
                assert_eq!(found.as_ref(), Ok(&expected), "{text:?}");
            }
            None => assert!(found.is_err(), "{text:?}: {found:?}"),
        }
    }
    assert_eq!(read("a: -0.0"), Ok(vec![json!({ "a": 0 })]), "an API server reads -0 as the integer");
}

#[test]
fn anchors_end_with_document() {
    assert_eq!(read("a: &x 1\n---\n---\n# nothing\n---\nb: 2\n"), Ok(vec![json!({ "a": 1 }), json!({ "b": 2 })]));
    let refused = read("a: &x 1\n---\nb: *x\n").expect_err("an anchor of another document");
    assert!(refused.ends_with("found unknown anchor"), "{refused}");
}

#[test]
fn merge_key_may_be_tagged() {
    let merged = Ok(vec![json!({ "a": { "b": 1 }, "c": { "b": 1, "d": 2 } })]);
    assert_eq!(read("a: &a {b: 1}\nc:\n  !!merge <<: *a\n  d: 2\n"), merged);
}

#[test]
fn errors_name_line() {
    for (text, said) in [
        ("a: 1\nb: .inf\n", "line 2: `.inf` is a number that JSON does not have: write it in quotes if it is text"),
        ("a: 1\n~: 1\n", "line 2: a key is null: write it in quotes"),
        ("a: &x [*x]\n", "line 1: an alias refers to its own container"),
    ] {
        assert_eq!(read(text), Err(said.to_owned()));
    }
    assert!(read("a: 1\nb: [\n").expect_err("open list").starts_with("line "));
}

#[test]
fn value_limits_are_enforced() {
    let list = |values: usize| format!("a:\n{}", "- 1\n".repeat(values));
    assert!(read(&list(300_000)).is_ok());
    let error = read(&list(VALUES)).expect_err("too many");
    assert!(error.ends_with("it has more than 1048576 values: split it into several components"), "{error}");
    let levels = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(read(&levels(DEPTH)).is_ok());
    assert!(read(&levels(DEPTH + 1)).expect_err("deep").ends_with("values are nested more than 100 deep"));
}

#[test]
fn nested_aliases_hit_limit() {
    let mut text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..9 {
        let below = vec![format!("*a{}", level - 1); 8].join(", ");
        let _infallible = writeln!(text, "a{level}: &a{level} [{below}]");
    }
    assert!(read(&text).expect_err("a million").contains("more than 1048576 values"));
}
