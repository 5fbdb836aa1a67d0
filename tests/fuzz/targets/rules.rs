//! Rules of a hostile release: every expression has an outcome in bounded time and memory.
#![no_main]

use landfall_release_document::{ReleaseDocument, Rule};
use landfall_rules::{Inputs, ReleaseView, check, judge};
use libfuzzer_sys::fuzz_target;

/// An empty release.
const RELEASE: &str = include_str!("release.json");

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(release) = ReleaseDocument::read(RELEASE.as_bytes()) else { return };
    let rule = serde_json::json!({
        "name": "some", "severity": "blocker", "require": text, "message": { "cel": text }, "fix": { "cel": text },
    });
    let Ok(rule) = serde_json::from_value::<Rule>(rule) else { return };
    let samples = Inputs::samples(&ReleaseView::from(&release));
    let _fault = check(std::slice::from_ref(&rule), &samples);
    let _within_the_bounds = rule.check();
    if let Some(inputs) = samples.first() {
        assert_eq!(judge(&[rule], inputs).len(), 1);
    }
});
