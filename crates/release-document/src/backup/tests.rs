use serde_json::{Value, json};

use super::{BackupCheckField, BackupField, BackupHoldField, BackupLogField, BackupRule};

fn good() -> Value {
    json!({
        "name": "database", "workload": { "kind": "StatefulSet", "name": "db" }, "container": "server",
        "volume": "data",
        "limit_seconds": 3600, "save": ["sh", "-euc", "dump\n"], "load": ["sh", "-euc", "fill"],
        "log": { "keep": ["keep"], "save": ["save"], "saved": ["saved"], "load": ["place"],
            "recover": ["to", "<%{time}>"] },
        "hold": { "begin": ["stop", "for=%{seconds}s"], "end": ["go"], "limit_seconds": 30, "until": "first-byte" },
        "counts": ["count", "rows"],
        "marker": { "write": ["set", "word=%{marker};%{marker}", "now"], "read": ["get", "word"] },
        "checks": [
            { "shows": "Every page is intact", "arguments": ["check"], "limit_seconds": 300,
                "expect": { "exit_code": 0 } },
            { "shows": "It answers", "arguments": ["ask", "1"], "limit_seconds": 86400,
              "expect": { "exit_code": 3, "stdout": { "contains": "yes" } } },
        ],
    })
}

fn read(document: &Value) -> Result<BackupRule, String> {
    serde_json::from_value(document.clone()).map_err(|error| error.to_string())
}

fn without(fields: &[&str]) -> Value {
    let mut document = good();
    for field in fields {
        document.as_object_mut().unwrap().remove(*field).unwrap();
    }
    document
}

#[test]
fn valid_rules_round_trip() {
    for document in [
        good(),
        without(&["container"]),
        without(&["log"]),
        without(&["hold"]),
        without(&["counts"]),
        without(&["counts", "log", "hold"]),
        without(&["marker"]),
        without(&["checks"]),
    ] {
        let rule = read(&document).unwrap();
        assert_eq!(rule.check(), Ok(()));
        assert_eq!(serde_json::to_value(&rule).unwrap(), document);
        assert_eq!(rule.stream("postgres"), "postgres/database");
    }
}

#[test]
fn rule_fields_are_validated() {
    use BackupField as Field;
    let long = |bytes: usize| Value::from("a".repeat(bytes));
    let checks: Vec<Value> = (0..33).map(|_| good()["checks"][0].clone()).collect();
    let of_first = |field| Field::Check(0, field);
    for (place, value, field) in [
        ("/name", json!("Database"), Field::Name),
        ("/name", json!("a/b"), Field::Name),
        ("/workload/name", json!("db/../x"), Field::Workload),
        ("/container", json!(""), Field::Container),
        ("/volume", json!("../data"), Field::Volume),
        ("/volume", json!("a\u{1b}[2J"), Field::Volume),
        ("/limit_seconds", json!(0), Field::Limit),
        ("/limit_seconds", json!(86401), Field::Limit),
        ("/save", json!([]), Field::Save),
        ("/save/2", long(17 << 10), Field::Save),
        ("/load", json!(["", "a"]), Field::Load),
        ("/load/1", json!("a\0"), Field::Load),
        ("/log/keep", json!([]), Field::Log(BackupLogField::Keep)),
        ("/log/saved", json!(["a\0"]), Field::Log(BackupLogField::Saved)),
        ("/log/recover", json!(["to", "{time}"]), Field::Log(BackupLogField::Recover)),
        ("/hold/begin", json!(["stop"]), Field::Hold(BackupHoldField::Begin)),
        ("/hold/end", json!([]), Field::Hold(BackupHoldField::End)),
        ("/hold/limit_seconds", json!(0), Field::Hold(BackupHoldField::Limit)),
        ("/hold/limit_seconds", json!(601), Field::Hold(BackupHoldField::Limit)),
        ("/counts", json!([]), Field::Counts),
        ("/counts/1", json!("a\0"), Field::Counts),
        ("/marker/write", json!([]), Field::MarkerWrite),
        ("/marker/write", json!(["set", "{marker}"]), Field::MarkerWrite),
        ("/marker/read", json!([]), Field::MarkerRead),
        ("/marker/read", json!(["echo", "%{marker}"]), Field::MarkerRead),
        ("/checks", checks.into(), Field::Checks),
        ("/checks/0/shows", json!("a\nverified"), of_first(BackupCheckField::Shows)),
        ("/checks/0/shows", long(201), of_first(BackupCheckField::Shows)),
        ("/checks/0/arguments", json!([]), of_first(BackupCheckField::Arguments)),
        ("/checks/0/limit_seconds", json!(0), of_first(BackupCheckField::Limit)),
        ("/checks/0/limit_seconds", json!(86401), of_first(BackupCheckField::Limit)),
        ("/checks/1/expect/stdout/contains", json!(""), Field::Check(1, BackupCheckField::Expect)),
    ] {
        let mut document = good();
        *document.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value;
        let fault = read(&document).unwrap().check().expect_err(place);
        assert_eq!(fault.field, field, "{place}: {}", fault.what);
        assert!(fault.what.len() < 1000 && !fault.what.chars().any(char::is_control), "{place}: {}", fault.what);
    }
}

#[test]
fn rule_needs_marker_or_checks() {
    let fault = read(&without(&["marker", "checks"])).unwrap().check().expect_err("nothing is shown");
    assert_eq!(fault.field, BackupField::Checks);
}

#[test]
fn counts_need_log_or_hold() {
    let fault = read(&without(&["log", "hold"])).unwrap().check().expect_err("no time");
    assert_eq!(fault.field, BackupField::Counts);
}

#[test]
fn unknown_fields_and_kinds_are_refused() {
    let log = json!({ "keep": ["a"], "save": ["b"], "load": ["c"], "recover": ["%{time}"] });
    let hold = json!({ "begin": ["%{seconds}"], "end": ["b"], "limit_seconds": 1 });
    let marker = json!({ "write": ["a"], "read": ["b"], "after": ["c"] });
    let check = json!({ "shows": "It answers", "arguments": ["a"], "limit_seconds": 1 });
    for (place, value, expected) in [
        ("/workload/kind", json!("Pod"), "unknown variant `Pod`"),
        ("/log", log, "missing field `saved`"),
        ("/hold", hold, "missing field `until`"),
        ("/hold/until", json!("never"), "unknown variant `never`"),
        ("/marker", marker, "unknown field `after`"),
        ("/checks/0", check, "missing field `expect`"),
        ("/checks/0/expect", json!({ "exit_code": 0, "stderr": "" }), "unknown field `stderr`"),
        ("/save", json!("pg_dump"), "string \"pg_dump\""),
        ("/limit_seconds", json!(-1), "integer `-1`"),
    ] {
        let mut document = good();
        *document.pointer_mut(place).unwrap() = value;
        let error = read(&document).unwrap_err();
        assert!(error.contains(expected), "{place}: {error}");
    }
    for field in ["name", "workload", "volume", "limit_seconds", "save", "load"] {
        assert_eq!(read(&without(&[field])).unwrap_err(), format!("missing field `{field}`"));
    }
}

#[test]
fn marker_word_is_substituted() {
    let marker = read(&good()).unwrap().marker.unwrap();
    assert_eq!(marker.write_word("k3y"), ["set", "word=k3y;k3y", "now"]);
}

#[test]
fn recovery_time_is_substituted() {
    let log = read(&good()).unwrap().log.unwrap();
    assert_eq!(log.recover_to("2026-11-22T12:00:00.000000+00:00"), ["to", "<2026-11-22T12:00:00.000000+00:00>"]);
}

#[test]
fn hold_seconds_are_substituted() {
    assert_eq!(read(&good()).unwrap().hold.unwrap().begin(), ["stop", "for=30s"]);
}
