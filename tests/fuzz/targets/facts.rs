//! A file of facts that a customer sent: it is refused, or it is read, judged by rules and written again.
#![no_main]

use landfall_host::facts::{Facts, KIND, SCHEMA};
use landfall_release_document::{ReleaseDocument, Rule};
use landfall_rules::{Inputs, ReleaseView, judge};
use libfuzzer_sys::fuzz_target;

/// An empty release.
const RELEASE: &str = include_str!("release.json");

/// Typical rules of releases, over the lists and texts whose length the file determines.
const REQUIRE: [&str; 3] = [
    "facts.cores >= 4 && facts.memoryBytes / 1073741824 >= 8",
    "facts.filesystems.exists(f, '/var/lib/landfall' in f.paths && f.freeBytes > 1) && facts.network.listeners.all(l, \
     l.port > 0)",
    "size(facts.modules.filter(m, m.startsWith('nf'))) > 0 || facts.hostname + facts.kernel == ''",
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(facts) = Facts::parse(bytes) else { return };
    let Ok(release) = ReleaseDocument::read(RELEASE.as_bytes()) else { return };
    let mut document = serde_json::to_value(&facts).expect("facts that were read can be written");
    let rules: Vec<Rule> = REQUIRE
        .iter()
        .filter_map(|require| {
            let rule = serde_json::json!({
                "name": "some", "severity": "blocker", "require": require, "message": { "cel": "facts.hostname" },
                "measured": { "cel": "facts.modules" }, "fix": "Do it.",
            });
            serde_json::from_value(rule).ok()
        })
        .collect();
    let inputs = Inputs::new(document.clone(), &ReleaseView::from(&release), serde_json::json!({ "values": {} }));
    assert_eq!(judge(&rules, &inputs).len(), REQUIRE.len());
    (document["kind"], document["schema"]) = (KIND.into(), SCHEMA.into());
    let again = Facts::parse(document.to_string().as_bytes()).expect("facts that were written can be read");
    assert_eq!(again, facts, "what was read changed");
});
