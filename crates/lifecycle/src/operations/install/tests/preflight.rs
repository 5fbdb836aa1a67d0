//! Preflight of a bundle: the findings that an install acts on, with and without trust.

use landfall_documents::warning::AcceptedBy;
use landfall_host::facts::sample::sample;
use landfall_host::facts::{Facts, KIND, SCHEMA};

use super::*;
use crate::operations::{PreflightReport, PreflightRequest};
use landfall_site::findings::{Finding, Severity};

/// Writes these facts to a file.
fn facts_file(fixture: &Fixture, facts: &Facts) -> PathBuf {
    let mut document = serde_json::to_value(facts).unwrap();
    (document["kind"], document["schema"]) = (KIND.into(), SCHEMA.into());
    let path = fixture.path("facts.json");
    durable::write_file(&path, document.to_string().as_bytes(), 0o644).unwrap();
    path
}

fn look(fixture: &Fixture, facts: &Facts, is_trusted: bool) -> PreflightReport {
    let birth = fixture.contents();
    let request = PreflightRequest {
        bundle: fixture.path("stick"),
        trust: is_trusted.then(|| fixture.path("1.root.json").display().to_string()),
        facts: Some(facts_file(fixture, facts)),
        ..PreflightRequest::default()
    };
    let report = fixture.operations.preflight(&request).unwrap();
    assert_eq!(fixture.contents(), birth, "it changed something");
    report
}

fn open(report: &PreflightReport) -> Vec<(&str, Severity)> {
    let open = report.findings.iter().filter(|finding| finding.severity != Severity::Passed);
    open.map(|finding| (finding.name.as_str(), finding.severity)).collect()
}

#[test]
fn ready_host_passes_without_trust() {
    let fixture = Fixture::new();
    for is_trusted in [true, false] {
        let report = look(&fixture, &sample(), is_trusted);
        assert_eq!((report.ready, report.verified, report.exit_code()), (true, is_trusted, 0), "{report:?}");
        assert_eq!(open(&report), []);
        assert_eq!(report.passed, report.findings.len());
    }
}

#[test]
fn install_and_preflight_blockers_match() {
    let fixture = Fixture::new();
    let spoiled = Facts { systemd: false, kernel: "4.18.0".to_owned(), ..sample() };
    let report = look(&fixture, &spoiled, true);
    assert_eq!((report.ready, report.blockers, report.exit_code()), (false, 2, 4));
    let refused = fixture.operations.plan_install_from(&fixture.request(), &fixture.path("facts.json")).err().unwrap();
    let blockers: Vec<&Finding> = report.findings.iter().filter(|finding| finding.is_blocker()).collect();
    assert_eq!(refused.blockers().iter().collect::<Vec<_>>(), blockers);
}

#[test]
fn license_is_judged_only_with_trust() {
    let mut release = release(3);
    release["components"] = json!([{
        "name": "reports", "namespace": "reports", "needs": [], "objects": "documents/objects/reports.json",
        "pod_security": "restricted", "ready_seconds": 60, "entitlement": "analytics",
    }]);
    let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release);
    let untrusted = look(&fixture, &sample(), false);
    assert_eq!((open(&untrusted), untrusted.exit_code()), (vec![("license-unjudged", Severity::Warning)], 0));
    let trusted = look(&fixture, &sample(), true);
    assert_eq!((open(&trusted), trusted.exit_code()), (vec![("license", Severity::Blocker)], 7));
}

#[test]
fn failed_release_rules_are_named() {
    let rule = |name: &str, severity: &str, require: &str| {
        json!({ "name": name, "severity": severity,
        "require": require, "message": "Not so", "fix": "Make it so." })
    };
    let mut release = release(3);
    release["rules"] = json!([
        rule("met", "blocker", "facts.cores > 1"),
        rule("advice", "warning", "facts.cores > 100"),
        rule("broken", "warning", "facts.cores > 'many'"),
    ]);
    let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release);
    let report = look(&fixture, &sample(), true);
    assert_eq!(open(&report), [("broken", Severity::Blocker), ("advice", Severity::Warning)]);
    let broken = report.findings.iter().find(|finding| finding.name == "broken").unwrap();
    assert!(
        broken.code == codes::RULE_UNUSABLE && broken.measured.starts_with("rule broken: `require`: "),
        "{broken:?}"
    );
}

/// Returns a host and a release with two warnings that must be accepted.
fn to_accept() -> (Fixture, Facts) {
    let mut release = release(3);
    release["rules"] = json!([{
        "name": "no-swap", "severity": "must-accept", "require": "facts.swapBytes == 0", "message": "Swap is on",
        "measured": {"cel": "string(facts.swapBytes)"}, "fix": "Turn it off.",
    }]);
    let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release);
    let mut facts = Facts { swap_bytes: 4096, ..sample() };
    facts.security.as_mut().unwrap().fapolicyd = true;
    (fixture, facts)
}

#[test]
fn unaccepted_warning_stops_install() {
    let (fixture, facts) = to_accept();
    let report = look(&fixture, &facts, true);
    assert_eq!((report.ready, report.blockers, report.unaccepted, report.exit_code()), (false, 0, 2, 4));
    let path = facts_file(&fixture, &facts);
    let plan = |accept: &[&str]| {
        let accept = accept.iter().map(|name| (*name).to_owned()).collect();
        fixture.operations.plan_install_from(&InstallRequest { accept, ..fixture.request() }, &path)
    };
    let waiting = |accept: &[&str]| {
        let refused = plan(accept).err().unwrap();
        refused.blockers().iter().map(|finding| finding.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(waiting(&[]), ["fapolicyd", "no-swap"]);
    assert_eq!(waiting(&["no-swap"]), ["fapolicyd"]);
    // The release is too small to be planned, which is found after all other checks.
    let unplanned = plan(&["no-swap", "fapolicyd"]).err().unwrap();
    assert!(unplanned.blockers().is_empty() && unplanned.code() != codes::NOT_READY, "{unplanned:?}");
    let misspelt = plan(&["no-swop"]).err().unwrap();
    assert_eq!(misspelt.code(), codes::ACCEPTED_UNKNOWN);
    assert!(misspelt.hint().unwrap().starts_with("Did you mean `no-swap`?"), "{misspelt:?}");
}

#[test]
fn accepted_warnings_are_recorded() {
    let (fixture, facts) = to_accept();
    let site = fixture.path("site.yaml");
    durable::write_file(&site, b"accept: [no-swap, fapolicyd, selinux]\n", 0o644).unwrap();
    let request = PreflightRequest {
        bundle: fixture.path("stick"),
        trust: fixture.request().trust,
        site: Some(site),
        facts: Some(facts_file(&fixture, &facts)),
        ..PreflightRequest::default()
    };
    let report = fixture.operations.preflight(&request).unwrap();
    assert_eq!((report.ready, report.unaccepted, report.warnings), (true, 0, 3), "{:?}", open(&report));
    let mut prepared = fixture.prepared_install();
    prepared.planned.accepted = landfall_site::findings::accepted_warnings(&report.findings);
    prepared.run().unwrap();
    let status = fixture.operations.status().unwrap();
    let accepted: Vec<_> =
        status.accepted.iter().map(|one| (one.name.as_str(), one.measured.as_str(), one.by)).collect();
    let by = AcceptedBy::SiteConfiguration;
    assert_eq!(accepted, [("fapolicyd", "fapolicyd runs", by), ("no-swap", "4096", by)]);
}
