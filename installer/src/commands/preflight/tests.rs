use std::process::{Command, Output};

use landfall_documents::warning::AcceptedBy;
use landfall_host::facts::Topic;
use landfall_lifecycle::operations::PreflightReport;
use landfall_media::durable;
use landfall_site::findings::{Finding, Severity};
use serde_json::Value;

use super::*;
use crate::document;

fn finding(topic: Topic, name: &str, severity: Severity, code: &'static str) -> Finding {
    Finding {
        topic,
        name: name.to_owned(),
        severity,
        code: code.into(),
        message: format!("Something about {name}"),
        measured: "1".to_owned(),
        threshold: "2".to_owned(),
        fix: "Do something.".to_owned(),
        commands: Vec::new(),
        must_accept: false,
        accepted: None,
    }
}

fn passed_finding(topic: Topic, name: &str, measured: &str, threshold: &str) -> Finding {
    let finding = finding(topic, name, Severity::Passed, "LF3007");
    Finding { measured: measured.to_owned(), threshold: threshold.to_owned(), fix: String::new(), ..finding }
}

fn report(findings: Vec<Finding>) -> PreflightReport {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    PreflightReport {
        release: "starter".to_owned(),
        version: "1.0.0".to_owned(),
        bundle: "sha256:ab".to_owned(),
        verified: false,
        development: false,
        host: "node-1".to_owned(),
        operating_system: "debian 12".to_owned(),
        collected_at: "2026-01-01T00:00:00Z".to_owned(),
        ready: !findings.iter().any(Finding::stops),
        blockers: count(Severity::Blocker),
        unaccepted: findings.iter().filter(|finding| finding.is_unaccepted()).count(),
        warnings: count(Severity::Warning),
        unknown: count(Severity::Unknown),
        passed: count(Severity::Passed),
        findings,
    }
}

fn sample_report() -> PreflightReport {
    let commands = ["firewall-cmd --permanent --zone=trusted --add-source=10.244.0.0/16", "firewall-cmd --reload"];
    report(vec![
        finding(Topic::Machine, "cores", Severity::Blocker, "LF3006"),
        Finding {
            commands: commands.map(str::to_owned).to_vec(),
            ..finding(Topic::Network, "firewall", Severity::Blocker, "LF3023")
        },
        Finding { threshold: String::new(), ..finding(Topic::Clock, "clock", Severity::Warning, "LF3019") },
        passed_finding(Topic::Machine, "memory", "16.0 GiB", "4.0 GiB"),
        passed_finding(Topic::Network, "ports", "", ""),
    ])
}

/// A report with hostile text in all fields of facts and release.
fn hostile() -> PreflightReport {
    let evil = "x\u{1b}[2J\nBLOCKERS: 0\u{202e}<script>alert('1')</script>'; touch /tmp/no; '\"$(id)`id`";
    let mut report = report(vec![Finding {
        name: evil.to_owned(),
        message: evil.to_owned(),
        measured: evil.to_owned(),
        threshold: evil.to_owned(),
        fix: evil.to_owned(),
        commands: vec![
            evil.to_owned(),
            "printf %s \"it's here\"; printf '}\n'".to_owned(),
            "echo '; } ; echo broke out #'".to_owned(),
        ],
        ..finding(Topic::Rules, "rule", Severity::Blocker, "LF3028")
    }]);
    (report.release, report.host, report.operating_system) = (evil.to_owned(), evil.to_owned(), evil.to_owned());
    report
}

fn good() -> PreflightReport {
    let mut report = report(vec![passed_finding(Topic::Machine, "memory", "16.0 GiB", "4.0 GiB")]);
    (report.verified, report.development) = (true, true);
    report
}

#[test]
fn text_matches_snapshots() {
    insta::assert_snapshot!("text", text::text(&sample_report()));
    insta::assert_snapshot!("text_good", text::text(&good()));
    let text = text::text(&hostile());
    assert!(
        !text.contains('\u{1b}')
            && !text.contains('\u{202e}')
            && !text.lines().any(|line| line.starts_with("BLOCKERS"))
    );
    insta::assert_snapshot!("text_hostile", text);
}

#[test]
fn required_acceptances_are_named() {
    let must = |accepted| Finding {
        must_accept: true,
        accepted,
        ..finding(Topic::System, "fapolicyd", Severity::Warning, "LF3055")
    };
    let waiting = report(vec![must(None)]);
    assert_eq!((waiting.ready, waiting.exit_code()), (false, 4));
    insta::assert_snapshot!("text_to_accept", text::text(&waiting));
    let accepted = report(vec![must(Some(AcceptedBy::CommandLine))]);
    assert_eq!((accepted.ready, accepted.exit_code()), (true, 0));
    insta::assert_snapshot!("text_accepted", text::text(&accepted));
    let page = page::page(&waiting).unwrap();
    assert!(page.contains("An installation waits until warnings are accepted: 0 blockers, 1 warning (1 to accept)"));
    assert!(page.contains("`--accept fapolicyd`"), "{page}");
    let page = page::page(&accepted).unwrap();
    assert!(page.contains("Nothing blocks an installation") && page.contains("<dd>on the command line</dd>"), "{page}");
}

#[test]
fn page_matches_snapshot() {
    insta::assert_snapshot!("page", page::page(&sample_report()).unwrap());
}

#[test]
fn page_is_self_contained_and_escaped() {
    for report in [sample_report(), hostile(), good()] {
        let page = page::page(&report).unwrap();
        for outside in
            ["http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "<img"]
        {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
        assert!(!page.chars().any(|letter| letter == '\u{1b}' || letter == '\u{202e}'));
        for needed in ["prefers-color-scheme: dark", "@media print", "max-width: 30rem", "name=\"viewport\""] {
            assert!(page.contains(needed), "{needed}");
        }
    }
    assert!(page::page(&hostile()).unwrap().contains(r"\u{1b}"));
}

#[test]
fn document_matches_schema() {
    let (kind, schema) = document::schema_of::<PreflightReport>();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in [sample_report(), hostile(), good()] {
        let text = document::pretty(&report);
        let value: Value = serde_json::from_str(&text).unwrap();
        let problems: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(problems.is_empty() && value["kind"] == kind, "{problems:?}");
        assert!(text.is_ascii() && !text.contains('\u{1b}'));
    }
    insta::assert_snapshot!("document", document::pretty(&sample_report()));
}

/// Runs a script with these arguments in a temporary folder.
fn run_script(script: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fix.sh");
    durable::write_file(&path, script.as_bytes(), 0o644).unwrap();
    let output = Command::new("sh").arg(&path).args(arguments).current_dir(folder.path()).output().unwrap();
    let files = fs_err::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "it made a file");
    output
}

#[test]
fn script_matches_snapshots() {
    insta::assert_snapshot!("script", script::script(&sample_report()));
    insta::assert_snapshot!("script_hostile", script::script(&hostile()));
}

#[test]
fn script_runs_only_named_fixes() {
    let printed = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let report = report(vec![
        Finding { commands: vec!["echo one".to_owned()], ..finding(Topic::Machine, "a", Severity::Blocker, "LF3006") },
        Finding { commands: vec!["echo two".to_owned()], ..finding(Topic::Machine, "b", Severity::Blocker, "LF3007") },
        finding(Topic::Machine, "c", Severity::Warning, "LF3008"),
    ]);
    let text = script::script(&report);
    let listed = run_script(&text, &[]);
    assert!(listed.status.success());
    assert_eq!(printed(&listed), "1. Something about a\n2. Something about b\n3. Something about c (no command)\n");
    let second = run_script(&text, &["2"]);
    assert_eq!(printed(&second), "+ echo two\ntwo\n");
    assert_eq!(run_script(&text, &["3"]).status.code(), Some(2));
    assert_eq!(run_script(&text, &["9"]).status.code(), Some(2));
}

#[test]
fn script_escapes_hostile_text() {
    let text = script::script(&hostile());
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    let listed = run_script(&text, &[]);
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).lines().count() == 1, "{listed:?}");
    // A command with invisible characters ends the fix instead of being run.
    let named = run_script(&text, &["1"]);
    assert!(!named.status.success() && named.stdout.is_empty(), "{named:?}");
    let mut seen = hostile();
    seen.findings[0].commands =
        vec!["echo '; } ; echo broke out #'".to_owned(), "printf '%s\\n' \"it's here\"".to_owned()];
    let ran = run_script(&script::script(&seen), &["1"]);
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success() && printed.contains("\n; } ; echo broke out #\n") && printed.ends_with("it's here\n"),
        "{printed}"
    );
}
