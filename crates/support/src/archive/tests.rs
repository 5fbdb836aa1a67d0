use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use landfall_error_codes::{CodedError, codes};
use serde_json::json;

use super::*;
use crate::index::{INDEX, Truncation};
use crate::redact::{KEY_BYTES, KnownValues, Redactor};

fn writer(values: &[&str]) -> Writer<Vec<u8>> {
    let mut known = KnownValues::default();
    for value in values {
        known.add(value.as_bytes());
    }
    Writer::new(Vec::new(), Redactor::new(known, [7; KEY_BYTES]).unwrap(), 1_700_000_000)
}

fn head() -> Head {
    Head {
        collected_at: "2026-11-20T08:00:00Z".to_owned(),
        landfall: "0.1.0".to_owned(),
        since_seconds: 86_400,
        unknown: vec!["canary-value-0 is not known".to_owned()],
        collectors: Vec::new(),
    }
}

#[test]
fn archive_round_trips_with_plain_names() {
    let mut writer = writer(&["canary-value-0"]);
    writer
        .add_text("logs/a b\u{1b}[2K/../canary-value-0.log", b"one canary-value-0\n", Some(Truncation::Beginning))
        .unwrap();
    writer.add_document("status.json", json!({"kind": "status", "password": "x"})).unwrap();
    writer.add_lines("pods.jsonl", [json!({"n": 1}), json!({"n": 2})]).unwrap();
    writer.add_text(&format!("pods/{}/{}/c.log", "n".repeat(70), "p".repeat(253)), b"", None).unwrap();
    assert!(matches!(writer.add_text("status.json", b"", None), Err(WriteError::Full { .. })));
    let (bytes, index) = writer.finish(head()).unwrap();
    let contents = read(&bytes[..]).unwrap();
    assert_eq!(contents.index, index);
    assert_eq!(contents.files.len(), 4);
    assert_eq!(contents.files["pods.jsonl"], b"{\"n\":1}\n{\"n\":2}\n");
    assert!(!String::from_utf8_lossy(&contents.files["status.json"]).contains("\"x\""));
    let first = &index.files[0];
    assert!(
        first.name.starts_with("logs/a-b--2K/-/-redacted-") && first.truncated == Some(Truncation::Beginning),
        "{first:?}"
    );
    assert!(!format!("{index:?}").contains("canary"), "{index:?}");
}

#[test]
fn long_text_keeps_newest_lines() {
    let mut writer = writer(&[]);
    writer.add_text("a.log", "a line of some length\n".repeat(MAX_FILE_BYTES / 20).as_bytes(), None).unwrap();
    let (_, index) = writer.finish(head()).unwrap();
    let file = &index.files[0];
    assert_eq!(file.truncated, Some(Truncation::Beginning));
    assert!(file.size_bytes <= MAX_FILE_BYTES as u64 && file.size_bytes % 22 == 0, "{file:?}");
}

/// Archive of entries with type, name, size in the header, and content.
fn archive(entries: &[(tar::EntryType, &[u8], u64, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, name, size, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(*kind);
        header.set_size(*size);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    compress(&tar)
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap()
}

#[test]
fn hostile_archives_are_refused() {
    use tar::EntryType as Kind;
    let regular = |name: &'static [u8]| archive(&[(Kind::Regular, name, 1, b"x")]);
    let index = br#"{"kind":"support","schema":1,"collectedAt":"","landfall":"","sinceSeconds":0,
        "redaction":{"knownValues":0,"unknown":[]},"collectors":[],
        "files":[{"name":"a","sizeBytes":1,"sha256":"00"}]}"#;
    let newer = br#"{"kind":"support","schema":2}"#;
    for (bytes, expected) in [
        (b"no gzip".to_vec(), "cannot be read"),
        (Vec::new(), "cannot be read"),
        (compress(b"no tar"), "cannot be read"),
        (regular(b"../../etc/passwd"), "other characters"),
        (regular(b"/etc/passwd"), "other characters"),
        (regular(b"a\x1b[2J"), "other characters"),
        (regular(b"\xff"), "not text"),
        (archive(&[(Kind::Symlink, b"a", 0, b"")]), "not a plain file"),
        (archive(&[(Kind::GNULongName, b"a", 1 << 40, b"x")]), "not a plain file"),
        (archive(&[(Kind::XHeader, b"a", 1, b"x")]), "not a plain file"),
        (archive(&[(Kind::Regular, b"a", 1 << 40, b"x")]), "16 MiB in a"),
        (archive(&[(Kind::Regular, b"a", 1, b"x"), (Kind::Regular, b"a", 1, b"x")]), "two files a"),
        (regular(b"a"), "support.json is missing"),
        (archive(&[(Kind::Regular, INDEX.as_bytes(), newer.len() as u64, newer)]), "form 2"),
        (archive(&[(Kind::Regular, INDEX.as_bytes(), index.len() as u64, index)]), "a is missing"),
        (
            archive(&[(Kind::Regular, b"a", 1, b"x"), (Kind::Regular, INDEX.as_bytes(), index.len() as u64, index)]),
            "a is not what",
        ),
        (compress(&vec![0; 4 << 20])[..100].to_vec(), "support.json is missing"),
    ] {
        let error = read(&bytes[..]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error} instead of {expected}");
        assert_eq!(error.code(), codes::SUPPORT_UNREADABLE);
    }
    let many: Vec<_> = (0..=MAX_FILES).map(|number| format!("{number}").into_bytes()).collect();
    let entries: Vec<_> = many.iter().map(|name| (Kind::Regular, name.as_slice(), 0, &b""[..])).collect();
    assert!(read(&archive(&entries)[..]).unwrap_err().to_string().contains("4000 files"));
    let big = vec![0; MAX_FILE_BYTES];
    let entries: Vec<_> =
        many[..13].iter().map(|name| (Kind::Regular, name.as_slice(), big.len() as u64, &big[..])).collect();
    assert!(read(&archive(&entries)[..]).unwrap_err().to_string().contains("192 MiB"));
}

#[test]
fn damaged_archive_never_passes() {
    let mut writer = writer(&[]);
    writer.add_text("a.log", b"some lines of a log\n", None).unwrap();
    let (bytes, _) = writer.finish(head()).unwrap();
    for at in 0..bytes.len() {
        // Zero padding at the end of a tar may be lost.
        if let Ok(contents) = read(&bytes[..at]) {
            assert_eq!(contents.files["a.log"], b"some lines of a log\n", "{at} of {}", bytes.len());
        }
    }
    for at in 10..bytes.len() - 8 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        if let Ok(contents) = read(&damaged[..]) {
            assert_eq!(contents.files["a.log"], b"some lines of a log\n");
        }
    }
}
