//! Comparison of the lock of upstream's parts with that of the assembled ones, so that tests prove what a vendor
//! builds. Both must have the same parts under the same tags, except for listed differences with reasons, and the same
//! major version of PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use crate::workspace;

/// The compared parts of a lock.
#[derive(Deserialize)]
struct Lock {
    images: Vec<Entry>,
    artifacts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    reference: String,
}

/// A known difference of parts whose tags differ in the same way, with one reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    parts: Vec<String>,
    upstream: String,
    assembled: String,
    reason: String,
}

/// Returns the tag of each part, with images and artifacts as separate kinds.
fn parts(lock: &str) -> BTreeMap<(&'static str, String), String> {
    let lock: Lock = serde_saphyr::from_str(lock).expect("a lock");
    let of = |kind: &'static str, entries: Vec<Entry>| {
        entries.into_iter().map(move |Entry { reference }| {
            let (part, tag) = reference.rsplit_once(':').expect("a tag");
            ((kind, part.to_owned()), tag.to_owned())
        })
    };
    of("image", lock.images).chain(of("artifact", lock.artifacts)).collect()
}

/// Returns PostgreSQL's major version in a tag, such as 17 for `0.8.0-pg17`.
fn postgresql(tag: &str) -> Option<u32> {
    tag.split('-').find_map(|word| word.strip_prefix("pg")?.parse().ok())
}

/// Returns all unlisted differences between the two locks, and listed ones that do not exist.
fn problems(upstream: &str, assembled: &str, listed: &str) -> Vec<String> {
    let (upstream, assembled) = (parts(upstream), parts(assembled));
    let listed: Vec<Difference> = serde_saphyr::from_str(listed).expect("differences");
    let mut problems = Vec::new();
    let mut differing = BTreeSet::new();
    for ((kind, part), tag) in &upstream {
        let Some(other) = assembled.get(&(*kind, part.clone())) else {
            problems.push(format!("only upstream's lock has the {kind} {part}"));
            continue;
        };
        if tag == other {
            continue;
        }
        // Data formats differ between major versions, so a proof with one says nothing about another.
        if postgresql(tag) != postgresql(other) {
            problems.push(format!("{part} is {tag} upstream and {other} here: another PostgreSQL"));
        }
        let is_this =
            |known: &&Difference| known.parts.contains(part) && known.upstream == *tag && known.assembled == *other;
        match listed.iter().find(is_this) {
            Some(known) if known.reason.trim().is_empty() => problems.push(format!("{part} has no reason")),
            Some(_) => {}
            None => problems.push(format!("{part} is {tag} upstream and {other} here, which is not listed")),
        }
        differing.insert(part);
    }
    let only_assembled = assembled.keys().filter(|part| !upstream.contains_key(*part));
    problems.extend(only_assembled.map(|(kind, part)| format!("only the assembled lock has the {kind} {part}")));
    let mut seen = BTreeSet::new();
    for part in listed.iter().flat_map(|known| &known.parts) {
        if !differing.contains(part) {
            problems.push(format!("{part} is listed, and does not differ"));
        } else if !seen.insert(part) {
            problems.push(format!("{part} is listed twice"));
        }
    }
    problems
}

#[test]
fn lock_differences_are_all_listed() {
    let read = |path: &str| std::fs::read_to_string(workspace::root().join(path)).expect(path);
    let [upstream, assembled, listed] =
        ["images.lock", "tests/images/assembled.lock", "tests/images/differences.yaml"].map(read);
    assert_eq!(problems(&upstream, &assembled, &listed), Vec::<String>::new());
    assert!(parts(&upstream).len() > 15, "the locks were read");
}

/// Returns a lock of these images and artifacts.
fn lock(images: &[&str], artifacts: &[&str]) -> String {
    let entries = |references: &[&str]| -> String {
        references.iter().fold(String::new(), |mut text, reference| {
            let _ = writeln!(text, "  - {{reference: '{reference}', digest: unresolved}}");
            text
        })
    };
    format!("assembled: true\nimages:\n{}artifacts:\n{}", entries(images), entries(artifacts))
}

#[test]
fn listed_differences_must_exist() {
    let listed = "- {parts: [a.example/cache], upstream: 9.1.1, assembled: 8.1.1, reason: Debian has 8.1}\n\
        - \
        {parts: [a.example/web, a.example/worker], upstream: v1.2.3, assembled: v1.2.9, reason: The module is newer}\n";
    let upstream =
        lock(&["a.example/web:v1.2.3", "a.example/worker:v1.2.3", "a.example/cache:9.1.1"], &["a.example/model:main"]);
    let assembled = upstream.replace("v1.2.3", "v1.2.9").replace("9.1.1", "8.1.1");
    assert_eq!(problems(&upstream, &assembled, listed), Vec::<String>::new());

    // A patch version or a variant is a difference as well.
    let newer = assembled.replace("web:v1.2.9", "web:v1.2.9-slim").replace("8.1.1", "8.1.2");
    assert_eq!(
        problems(&upstream, &newer, listed),
        [
            "a.example/cache is 9.1.1 upstream and 8.1.2 here, which is not listed",
            "a.example/web is v1.2.3 upstream and v1.2.9-slim here, which is not listed",
        ]
    );
    let equal = assembled.replace("worker:v1.2.9", "worker:v1.2.3");
    assert_eq!(problems(&upstream, &equal, listed), ["a.example/worker is listed, and does not differ"]);
    let branch = assembled.replace("model:main", "model:next");
    assert_eq!(
        problems(&upstream, &branch, listed),
        ["a.example/model is main upstream and next here, which is not listed"]
    );
    let without_reason = listed.replace("Debian has 8.1", "' '");
    assert_eq!(problems(&upstream, &assembled, &without_reason), ["a.example/cache has no reason"]);
    let twice = format!("{listed}{listed}");
    assert_eq!(
        problems(&upstream, &assembled, &twice),
        ["a.example/cache is listed twice", "a.example/web is listed twice", "a.example/worker is listed twice"]
    );
}

#[test]
fn part_must_be_in_same_list() {
    let upstream = lock(&["a.example/web:v1.2.3"], &["a.example/model:main"]);
    let moved = lock(&["a.example/web:v1.2.3", "a.example/model:main"], &[]);
    assert_eq!(
        problems(&upstream, &moved.replace("artifacts:\n", "artifacts: []\n"), "[]"),
        [
            "only upstream's lock has the artifact a.example/model",
            "only the assembled lock has the image a.example/model",
        ]
    );
}

#[test]
fn other_postgresql_major_is_refused() {
    let listed = |assembled: &str| {
        format!(
            "- {{parts: [a.example/pgvector], upstream: 0.8.6-pg17-trixie, assembled: {assembled}, reason: Debian's}}\n"
        )
    };
    let found = |tag: &str| {
        let of = |tag: &str| lock(&[&format!("a.example/pgvector:{tag}")], &["a.example/model:main"]);
        problems(&of("0.8.6-pg17-trixie"), &of(tag), &listed(tag))
    };
    assert_eq!(found("0.8.0-pg17"), Vec::<String>::new());
    for other in ["0.8.6-pg18-trixie", "0.8.6-trixie"] {
        let expected = format!("a.example/pgvector is 0.8.6-pg17-trixie upstream and {other} here: another PostgreSQL");
        assert_eq!(found(other), [expected]);
    }
}
