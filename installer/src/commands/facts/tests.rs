use std::collections::BTreeSet;

use landfall_error_codes::codes;
use landfall_facts::rows;
use landfall_host::facts::sample::sample;
use landfall_host::facts::{ClosedChain, ClosedHook, Filter, Firewalld};
use landfall_site::findings::finding_name;
use serde_json::Value;

use super::*;

/// The sample host with two GPUs, on which builds try rules.
fn with_gpus() -> Facts {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/rules/samples/two-gpus.json");
    let mut document: Value = serde_json::from_slice(&fs_err::read(sample).unwrap()).unwrap();
    (document["kind"], document["schema"]) = (facts::KIND.into(), facts::SCHEMA.into());
    Facts::parse(document.to_string().as_bytes()).unwrap()
}

/// A host with hostile text in all fields that a person can set.
fn hostile() -> Facts {
    let evil = "x\u{1b}[2J\nFacts: none\u{202e}<script>alert('1')</script>".to_owned();
    let mut facts = sample();
    (facts.hostname, facts.operating_system, facts.kernel) = (evil.clone(), evil.clone(), evil.clone());
    facts.collected_at.clone_from(&evil);
    facts.filesystems[0].options = vec![evil.clone()];
    facts.network.firewalld = Some(Firewalld { passes_all: false, trusted: vec![evil.clone()] });
    facts.network.closed_chains = vec![ClosedChain {
        filter: Filter::Nftables,
        name: evil.clone(),
        hook: ClosedHook::Forward,
        accepts: Vec::new(),
        accepts_to: None,
        drops: Vec::new(),
        drops_to: Vec::new(),
    }];
    facts.leftovers = vec![evil];
    facts
}

/// Collects the names of all leaves in a document; lists, and maps with the host's own names, count as one leaf.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    const OPEN: [&str; 5] =
        ["facts.gpus", "facts.limits", "facts.kernelSettings", "facts.stepTimes", "facts.network.firewalld"];
    match value {
        Value::Object(fields) if !OPEN.contains(&path) => {
            fields.iter().for_each(|(name, value)| leaves(value, &format!("{path}.{name}"), found));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn facts_are_shown_once() {
    for facts in [sample(), with_gpus()] {
        let mut expected = BTreeSet::new();
        leaves(&serde_json::to_value(&facts).unwrap(), "facts", &mut expected);
        let shown = rows::groups(&facts).into_iter().flat_map(|(_, rows)| rows);
        let shown: BTreeSet<String> = shown.map(|row| row.path.to_owned()).collect();
        assert_eq!(shown, expected);
    }
}

#[test]
fn facts_name_judging_findings() {
    let page = page::page(&sample()).unwrap();
    for shown in [
        "<dt>Processor cores</dt><dd>4<span><code>facts.cores</code>, judged by cores</span></dd>",
        "<dt>Memory</dt><dd>16.00 GiB<span><code>facts.memoryBytes</code>, judged by memory, model-fit</span></dd>",
        "<dt>AppArmor</dt><dd>yes<span><code>facts.security.appArmor</code></span></dd>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert_eq!(finding_name(codes::TOO_FEW_CORES), "cores");
    let unnamed = rows::groups(&sample()).into_iter().flat_map(|(_, rows)| rows).flat_map(|row| row.codes);
    assert!(unnamed.copied().all(|code| finding_name(code) != "site"), "a code that is no finding's");
}

#[test]
fn gpus_are_listed_with_measurements() {
    let page = page::page(&with_gpus()).unwrap();
    assert!(page.contains("0000:01:00.0 (held by nvidia); 0000:02:00.0 (held by nvidia)"), "{page}");
    assert!(page.contains("2 × NVIDIA L4, ") && page.contains("580.159.04"), "{page}");
    for measured in
        ["nvidia1", "71.5 W", "lowest limit 100.0 W", "shuts down at 92 °C", "345 MHz", "2000 MHz", "vllm (4242"]
    {
        assert!(page.contains(measured), "{measured}: {page}");
    }
    let unknown = page::page(&sample()).unwrap();
    assert!(unknown.contains("unknown: collected by an older landfall"), "{unknown}");
}

#[test]
fn page_is_self_contained_and_escaped() {
    let user = Facts { root: false, speeds: None, cpu: None, security: None, ..sample() };
    for facts in [sample(), with_gpus(), hostile(), user] {
        let page = page::page(&facts).unwrap();
        for outside in
            ["http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "<img"]
        {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
        assert!(!page.chars().any(|letter| letter == '\u{1b}' || letter == '\u{202e}'));
        assert_eq!(page.contains("Collected without root"), !facts.root);
        for needed in ["prefers-color-scheme: dark", "@media print", "max-width: 30rem", "name=\"viewport\""] {
            assert!(page.contains(needed), "{needed}");
        }
    }
    assert!(page::page(&hostile()).unwrap().contains(r"\u{1b}"));
}
