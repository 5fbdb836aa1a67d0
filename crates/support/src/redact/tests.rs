use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn redactor(values: &[&str]) -> Redactor {
    let mut known = KnownValues::default();
    for value in values {
        known.add(value.as_bytes());
    }
    Redactor::new(known, [7; KEY_BYTES]).unwrap()
}

/// The text without its tokens.
fn without_tokens(text: &str) -> String {
    let text = redactor(&[]).text(text);
    let mut left = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("[redacted:") {
        left.push_str(before);
        left.push('*');
        rest = after.split_once(']').unwrap().1;
    }
    left + rest
}

#[test]
fn secret_patterns_are_redacted() {
    for (text, expected) in [
        ("password=hunter2 user=bob", "password=* user=bob"),
        ("POSTGRES_PASSWORD: hunter2", "POSTGRES_PASSWORD: *"),
        (r#"{"password":"a b\"","n":1}"#, r#"{"password":"*\"","n":1}"#),
        (r#"msg="{\"client_secret\":\"abc\",\"n\":1}""#, r#"msg="{\"client_secret\":\"*\",\"n\":1}""#),
        ("curl --password hunter2 http://a", "curl --password * http://a"),
        (r#"["--token", "hunter2"]"#, r#"["--token", "*"]"#),
        ("Authorization: Bearer abc.def", "Authorization: *"),
        ("using bearer abcdefghij now", "using bearer * now"),
        ("postgres://bob:hunter2@db:5432/x", "postgres://bob:*@db:5432/x"),
        ("https://db:5432/x@y", "https://db:5432/x@y"),
        ("https://ghx0123456789abcdefghij@git", "https://*@git"),
        ("key AKIAIOSFODNN7EXAMPLE.", "key *."),
        ("jwt eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl!", "jwt *!"),
        ("id glpat-0123456789abcdefXYZ", "id *"),
        ("a\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nb", "a\n*\nb"),
        ("a -----BEGIN PRIVATE KEY-----\\nMHc\\ncut", "a *"),
        (
            "-----BEGIN CERTIFICATE-----\nMHc\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nMHc\n-----END CERTIFICATE-----",
        ),
        // Text that only mentions secrets stays unchanged.
        ("the password is wrong", "the password is wrong"),
        ("secretName: db, tokens=5, PWD=/root, password: null", "secretName: db, tokens=5, PWD=/root, password: null"),
        ("desk-0123456789012345678901234567", "desk-0123456789012345678901234567"),
        ("token: ${TOKEN} secret: {", "token: ${TOKEN} secret: {"),
        ("password:", "password:"),
    ] {
        assert_eq!(without_tokens(text), expected, "{text}");
    }
}

#[test]
fn value_keeps_token_across_forms() {
    let secret = "s3cr3t/with + signs&\"more\"";
    let redactor = redactor(&[secret]);
    let token = redactor.text(secret);
    assert!(token.starts_with("[redacted:") && token.len() == 23, "{token}");
    for form in [
        STANDARD.encode(secret).trim_end_matches('=').to_owned(),
        "s3cr3t%2Fwith%20%2B%20signs%26%22more%22".to_owned(),
        "s3cr3t%2fwith%20%2b%20signs%26%22more%22".to_owned(),
        "s3cr3t%2Fwith+%2B+signs%26%22more%22".to_owned(),
        "s3cr3t/with + signs&\\\"more\\\"".to_owned(),
    ] {
        assert_eq!(redactor.text(&form), token, "{form}");
    }
    // The secret is found within other base64, whatever precedes it.
    for before in ["", "a", "ab", "bob:"] {
        for text in [STANDARD.encode(format!("{before}{secret}!")), URL_SAFE.encode(format!("{before}{secret}!"))] {
            let shown = redactor.text(&format!("sent {text}"));
            assert!(shown.contains(&token), "{before}: {shown}");
        }
    }
    let mut known = KnownValues::default();
    known.add(secret.as_bytes());
    let other = Redactor::new(known, [8; KEY_BYTES]).unwrap();
    assert_ne!(other.text(secret), token);
    assert_eq!(redactor.text("password=short"), redactor.text("password=short"));
}

#[test]
fn public_and_short_values_are_kept() {
    let mut known = KnownValues::default();
    for value in ["postgres", "abc", "", "s3cr3t-value\n"] {
        known.add(value.as_bytes());
    }
    known.add_public("postgres");
    let redactor = Redactor::new(known, [7; KEY_BYTES]).unwrap();
    assert_eq!(redactor.text("postgres/postgres-0 abc"), "postgres/postgres-0 abc");
    assert!(redactor.text("x s3cr3t-value y").starts_with("x [redacted:"));
}

#[test]
fn multiline_keys_and_documents_are_redacted() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQDX\n\
        -----END PRIVATE KEY-----\n";
    let docker = r#"{"auths":{"registry":{"username":"bob","password":"registry-password-1"}}}"#;
    let redactor = redactor(&[pem, docker, "apiVersion: v1\nclient-key-data: TFMwdExTMUNSVWRKVGlCU1UwRQ==\n"]);
    for text in [
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
        "BKcwggSjAgEAAoIBAQDX",
        "registry-password-1",
        "TFMwdExTMUNSVWRKVGlCU1UwRQ==",
    ] {
        assert!(!redactor.text(&format!("line {text} end")).contains(text), "{text}");
    }
    assert_eq!(redactor.text("-----BEGIN CERTIFICATE-----"), "-----BEGIN CERTIFICATE-----");
}

#[test]
fn redacted_documents_keep_structure() {
    let redactor = redactor(&["12345678", "p\"w\nd-long"]);
    let mut value = json!({
        "size": 12_345_678, "other": 12_345_679, "note": "p\"w\nd-long here",
        "spec": {"env": [{"name": "DB_PASSWORD", "value": "x"}, {"name": "DB_HOST", "value": "db"}]},
        "secretName": "db", "tokenPath": "/x", "clientSecret": "y", "secret": {"items": []},
    });
    redactor.value(&mut value);
    let text = value.to_string();
    assert!(!text.contains("12345678,") && text.contains("12345679") && !text.contains("d-long"), "{text}");
    assert_eq!(value["spec"]["env"][0]["value"], redactor.token(b"x"));
    assert_eq!(value["clientSecret"], redactor.token(b"y"));
    assert_eq!(
        (&value["spec"]["env"][1]["value"], &value["secretName"], &value["tokenPath"]),
        (&json!("db"), &json!("db"), &json!("/x"))
    );
    assert!(value["size"].is_string() && value["secret"].is_object());
}

/// Texts in which secrets, halves of secrets and words of patterns follow each other.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("canary-value-1".to_owned()),
        Just("canary-value-12".to_owned()),
        Just("value-12canary".to_owned()),
        Just("Y2FuYXJ5LXZhbHVlLTE".to_owned()),
        Just("password=".to_owned()),
        Just("\"token\": \"".to_owned()),
        Just("Authorization: ".to_owned()),
        Just("Bearer ".to_owned()),
        Just("https://bob:".to_owned()),
        Just("@".to_owned()),
        Just("eyJhbGciOi.eyJzdWIiOi.".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----".to_owned()),
        Just("-----END PRIVATE KEY-----".to_owned()),
        Just("--secret ".to_owned()),
        Just("password_".to_owned()),
        prop_oneof!["\\\\", "\\\\\"", "%3D", "%2522", "&quot;", "&amp;quot;", "\\\\u0022", "\\\\n    ", "\n      "],
        Just("%2d%2d%70%61%73%73%77%6f%72%64%20".to_owned()),
        "[ -~\n]{0,12}",
        (1..20_usize).prop_map(|count| "x".repeat(count << 7)),
        (1..20_usize).prop_map(|count| "y ".repeat(count << 6)),
        (30..70_usize).prop_map(|kibibytes| "y ".repeat(kibibytes << 9)),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn redact_pieces(mut stream: Stream<'_>, text: &str, cuts: &[usize]) -> Vec<u8> {
    let (mut redacted, mut from) = (Vec::new(), 0);
    for cut in cuts {
        stream.push(&text.as_bytes()[from..*cut]);
        redacted.extend(stream.take());
        from = *cut;
    }
    stream.push(&text.as_bytes()[from..]);
    redacted.extend(stream.finish());
    redacted
}

/// Texts whose redaction once depended on where a search ended: a name within a value, and an escape after a value.
#[test]
fn eager_searches_change_nothing() {
    let redactor = redactor(&["canary-value-1"]);
    let (gap, value) = ("y ".repeat(500), "x".repeat(500));
    for start in 0..600 {
        let start = "z".repeat(start);
        for text in [
            format!("{start} \"token\": \"{gap}password=\"token\": \"{gap}"),
            format!("{start} Bearer {value}%2d%2d%70%61%73%73%77%6f%72%64%20{gap}"),
        ] {
            let whole = redactor.bytes(text.as_bytes());
            assert!(whole == redact_pieces(Stream::eager(&redactor), &text, &[]), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stream_chunking_does_not_matter(
        text in texts(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let redactor = redactor(&["canary-value-1", "canary-value-12", "value-12canary"]);
        let whole = redactor.bytes(text.as_bytes());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert!(whole == redact_pieces(redactor.stream(), &text, &cuts), "split");
        prop_assert!(whole == redact_pieces(Stream::eager(&redactor), &text, &cuts), "eager");
        let whole = String::from_utf8_lossy(&whole).into_owned();
        prop_assert!(!whole.contains("canary-value-1") && !whole.contains("Y2FuYXJ5LXZhbHVlLTE"));
    }

    #[test]
    fn split_secret_is_redacted(before in 0..200_000_usize, cut in 0..30_usize) {
        let redactor = redactor(&["canary-value-that-is-long-enough"]);
        let mut stream = redactor.stream();
        let text = format!("{}canary-value-that-is-long-enough tail", ". ".repeat(before / 2));
        let at = (before / 2 * 2 + cut).min(text.len());
        stream.push(&text.as_bytes()[..at]);
        stream.push(&text.as_bytes()[at..]);
        let output = String::from_utf8(stream.finish()).unwrap();
        prop_assert!(!output.contains("canary") && output.ends_with("] tail") && output.len() == text.len() - 32 + 23);
    }
}

#[test]
fn thousand_values_get_distinct_tokens() {
    const BEGINNING: &str = "k4n4ri3nv0g3l";
    let values: Vec<String> = (0..1000).map(|number| format!("{BEGINNING}-{number:04}")).collect();
    let redactor = redactor(&values.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(redactor.known_values(), 1000);
    let lines = values.iter().enumerate().map(|(number, value)| {
        let (encoded, plain) = (STANDARD.encode(value), json!({ "said": value }));
        format!("line {number}: {value} and {encoded} and {plain} end\n")
    });
    let redacted = redactor.text(&lines.collect::<String>());
    assert!(redacted.lines().count() == 1000 && redacted.contains("line 999: [redacted:"), "the lines are there");
    let encoded = STANDARD.encode(&BEGINNING[..12]);
    assert!(!redacted.contains(BEGINNING) && !redacted.contains(&encoded), "{redacted}");
    let tokens = redacted.split("[redacted:").skip(1).filter_map(|rest| rest.split(']').next());
    let distinct: std::collections::BTreeSet<&str> = tokens.collect();
    assert_eq!(distinct.len(), 1000, "every form of a value has the value's token");
}
