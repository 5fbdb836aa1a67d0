//! Tests with mutated licenses, none of which is accepted. The tests of answers use the same mutations.

use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::to_canonical;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::{issue_time, sample, vendor};
use crate::SealedLicense;

/// Returns the bytes with one random change of some bytes.
pub(crate) fn mutate(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = random.random_range(0..changed.len());
    match random.random_range(0..5) {
        0 => changed[at] ^= 1 << random.random_range(0..8),
        1 => changed[at] = random.random(),
        2 => drop(changed.remove(at)),
        3 => changed.insert(at, random.random()),
        _ => changed.truncate(at),
    }
    changed
}

/// Returns the document with one change in meaning, encoded as the format requires. The parsers accept it, and only a
/// signature can refuse it.
pub(crate) fn forge(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    let mut leaves = Vec::new();
    collect(&value, String::new(), &mut leaves);
    let pointer = &leaves[random.random_range(0..leaves.len())];
    let leaf = value.pointer_mut(pointer).unwrap();
    *leaf = match leaf.take() {
        Value::String(text) => Value::String(another(&text, random)),
        Value::Number(number) => Value::from(number.as_u64().unwrap_or_default() + random.random_range(1..1000)),
        Value::Bool(flag) => Value::Bool(!flag),
        other => other,
    };
    to_canonical("x", &value).unwrap()
}

/// Returns a text with one other digit or letter.
fn another(text: &str, random: &mut StdRng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = random.random_range(0..letters.len().max(1));
    let other = char::from(random.random_range(b'0'..=b'9'));
    match letters.get_mut(at) {
        Some(letter) if *letter == other => *letter = if other == '9' { '0' } else { '9' },
        Some(letter) => *letter = other,
        None => letters.push(other),
    }
    letters.into_iter().collect()
}

/// Collects pointers to every leaf.
fn collect(value: &Value, pointer: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object
                .iter()
                .for_each(|(name, inner)| collect(inner, format!("{pointer}/{}", name.replace('/', "~1")), leaves));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, inner)| collect(inner, format!("{pointer}/{index}"), leaves));
        }
        _ => leaves.push(pointer),
    }
}

fn is_accepted(vendor: &Vendor, bytes: &[u8]) -> bool {
    SealedLicense::read("x.license", bytes).is_ok_and(|sealed| sealed.verify(&vendor.anchor()).is_ok())
}

/// Half of the mutations change bytes; the other half are forgeries.
fn none_is_accepted(count: u64) {
    let vendor = vendor();
    let sealed = sample::seal_license(&vendor, &sample::terms("acme-1", issue_time()).unwrap(), None).unwrap();
    let bytes = sealed.bytes();
    assert!(is_accepted(&vendor, bytes));
    for seed in 0..count {
        let mut random = StdRng::seed_from_u64(seed);
        let changed = if seed % 2 == 0 { mutate(bytes, &mut random) } else { forge(bytes, &mut random) };
        assert!(changed == bytes || !is_accepted(&vendor, &changed), "seed {seed} is accepted");
    }
}

#[test]
fn mutated_licenses_are_refused() {
    none_is_accepted(4_000);
}

#[test]
#[ignore = "takes minutes: run by `cargo xtask test --only fuzz`"]
fn none_of_a_million_mutated_licenses_is_accepted() {
    none_is_accepted(1_000_000);
}
