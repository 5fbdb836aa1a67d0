//! Holds the lock of upstream's parts against that of the assembled ones, so that what the tests prove is what a vendor builds: the
//! same parts in the same minor versions, apart from differences that are listed with their reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use crate::workspace;

/// A lock, as far as it is compared.
#[derive(Deserialize)]
struct Lock {
    images: Vec<Entry>,
    artifacts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    reference: String,
}

/// A difference that is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    part: String,
    upstream: String,
    assembled: String,
    reason: String,
}

/// The tag of each part, images and artifacts apart.
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

/// The first two numbers of a version, after a `v`; nothing for the name of a branch.
fn minor(tag: &str) -> Option<(u32, u32)> {
    let version = tag.strip_prefix('v').unwrap_or(tag);
    let mut numbers = version.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Everything by which the two locks differ and which is not listed, and what is listed but not so.
fn problems(upstream: &str, assembled: &str, listed: &str) -> Vec<String> {
    let (upstream, assembled) = (parts(upstream), parts(assembled));
    let listed: Vec<Difference> = serde_saphyr::from_str(listed).expect("differences");
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    for ((kind, part), tag) in &upstream {
        let Some(other) = assembled.get(&(*kind, part.clone())) else {
            problems.push(format!("only upstream's lock has the {kind} {part}"));
            continue;
        };
        if tag == other || (minor(tag).is_some() && minor(tag) == minor(other)) {
            continue;
        }
        let is_this = |known: &&Difference| known.part == *part && known.upstream == *tag && known.assembled == *other;
        match listed.iter().find(is_this) {
            Some(known) if known.reason.trim().is_empty() => problems.push(format!("{part} has no reason")),
            Some(_) => {}
            None => problems.push(format!("{part} is {tag} upstream and {other} here, which is not listed")),
        }
        used.insert(part);
    }
    let only_assembled = assembled.keys().filter(|part| !upstream.contains_key(*part));
    problems.extend(only_assembled.map(|(kind, part)| format!("only the assembled lock has the {kind} {part}")));
    let stale = listed.iter().filter(|known| !used.contains(&known.part));
    problems.extend(stale.map(|known| format!("{} is listed, and does not differ", known.part)));
    problems
}

#[test]
fn both_locks_name_the_same_parts_in_the_same_minor_versions() {
    let read = |path: &str| std::fs::read_to_string(workspace::root().join(path)).expect(path);
    let [upstream, assembled, listed] =
        ["images.lock", "tests/images/assembled.lock", "tests/images/differences.yaml"].map(read);
    assert_eq!(problems(&upstream, &assembled, &listed), Vec::<String>::new());
    assert!(parts(&upstream).len() > 15, "the locks were read");
}

/// A lock of these images and artifacts.
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
fn what_differs_must_be_listed_and_what_is_listed_must_differ() {
    let listed = "- {part: a.example/cache, upstream: 9.1.1, assembled: 8.1.1, reason: Debian has 8.1}\n";
    let upstream = lock(&["a.example/web:v1.2.3", "a.example/cache:9.1.1"], &["a.example/model:main"]);
    let assembled = lock(&["a.example/web:v1.2.9-0", "a.example/cache:8.1.1"], &["a.example/model:main"]);
    assert_eq!(problems(&upstream, &assembled, listed), Vec::<String>::new());

    let newer = assembled.replace("v1.2.9-0", "v1.3.0").replace("8.1.1", "8.2.0");
    assert_eq!(
        problems(&upstream, &newer, listed),
        [
            "a.example/cache is 9.1.1 upstream and 8.2.0 here, which is not listed",
            "a.example/web is v1.2.3 upstream and v1.3.0 here, which is not listed",
        ]
    );
    let equal = assembled.replace("8.1.1", "9.1.7");
    assert_eq!(problems(&upstream, &equal, listed), ["a.example/cache is listed, and does not differ"]);
    let branch = assembled.replace("model:main", "model:next");
    assert_eq!(
        problems(&upstream, &branch, listed),
        ["a.example/model is main upstream and next here, which is not listed"]
    );
    let without_reason = listed.replace("Debian has 8.1", "' '");
    assert_eq!(problems(&upstream, &assembled, &without_reason), ["a.example/cache has no reason"]);
    // An image that is an artifact in the other lock is no pair.
    let moved = lock(&["a.example/web:v1.2.3", "a.example/cache:8.1.1", "a.example/model:main"], &[]);
    assert_eq!(
        problems(&upstream, &moved.replace("artifacts:\n", "artifacts: []\n"), listed),
        [
            "only upstream's lock has the artifact a.example/model",
            "only the assembled lock has the image a.example/model",
        ]
    );
}
