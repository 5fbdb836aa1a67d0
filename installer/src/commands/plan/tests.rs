use std::collections::BTreeMap;

use landfall_documents::warning::{AcceptedBy, AcceptedWarning};
use landfall_host::facts;
use landfall_host::facts::Speeds;
use landfall_lifecycle::plan::figures::{FilesystemFigures, Moment, StepFigures};
use serde_json::{Value, json};

use super::*;
use crate::document;

fn plan() -> Plan<Action> {
    let step = |id: &str, title: &str, action: Value, bytes: u64, seconds: u64, undo: &str| {
        json!({ "id": id,
        "title": title, "action": action, "bytes": bytes, "seconds": seconds, "undo": undo })
    };
    let ready = json!({ "action": "control-plane-ready", "pack": "v1.36.3-0123456789ab", "seconds": 300 });
    serde_json::from_value(json!({
        "operation": "install",
        "release": "starter",
        "version": "1.0.0",
        "steps": [
            step("stage", "stage the release", json!({ "action": "stage" }), 3_u64 << 30, 95, "reversible"),
            step("control-plane", "wait for the control plane", ready, 0, 40, "reversible"),
            step("storage", "make the folder of volumes", json!({ "action": "storage" }), 4096, 0, "irreversible"),
        ],
    }))
    .unwrap()
}

fn figures() -> PlanFigures {
    use landfall_lifecycle::plan::figures::Basis;
    let step = |id: &str, title: &str, milliseconds, basis, written_bytes, objects| StepFigures {
        id: id.to_owned(),
        title: title.to_owned(),
        milliseconds,
        basis,
        written_bytes,
        objects,
    };
    let moment = |step: &str, peak_bytes, used_bytes| Moment { step: step.to_owned(), peak_bytes, used_bytes };
    let steps = vec![
        step("stage", "stage the release", 7680, Basis::Speed, 3 << 30, 0),
        step("control-plane", "wait for the control plane", 38_200, Basis::Measured, 150 << 20, 12),
        step("storage", "make the folder of volumes", 0, Basis::Reference, 0, 0),
    ];
    let moments = vec![
        moment("stage", 3 << 30, 3 << 30),
        moment("control-plane", (3 << 30) + (400 << 20), (3 << 30) + (150 << 20)),
    ];
    PlanFigures {
        milliseconds: 45_880,
        objects: 12,
        steps,
        filesystems: vec![FilesystemFigures {
            paths: vec!["/var/lib/landfall".to_owned(), "/etc".to_owned()],
            total_bytes: 100 << 30,
            free_bytes: 80 << 30,
            peak_bytes: (3 << 30) + (400 << 20),
            final_bytes: (3 << 30) + (150 << 20),
            moments,
        }],
        point_of_no_return: Some("make the folder of volumes".to_owned()),
    }
}

fn accepted_warning(name: &str, measured: &str) -> AcceptedWarning {
    AcceptedWarning {
        name: name.to_owned(),
        message: "Swap is on".to_owned(),
        measured: measured.to_owned(),
        threshold: String::new(),
        by: AcceptedBy::CommandLine,
    }
}

/// Calls `look` with the plan of this host.
fn with(facts: &Facts, accepted: &[AcceptedWarning], look: impl FnOnce(&DryRun<'_>)) {
    let (plan, figures) = (plan(), figures());
    let fitted = BTreeMap::from([("models.llama.context".to_owned(), json!(16_384))]);
    look(&DryRun {
        bundle: "sha256:ab".to_owned(),
        development: true,
        facts,
        accepted,
        fitted: &fitted,
        figures: &figures,
        plan: &plan,
    });
}

#[test]
fn text_matches_snapshot() {
    let mut facts = facts::sample::sample();
    with(&facts, &[accepted_warning("swap", "2.0 GiB of swap")], |plan| {
        insta::assert_snapshot!("text", text::text(plan));
    });
    facts.swap_bytes = 2 << 30;
    facts.network.filter_tables = vec!["firewalld".to_owned(), "filter".to_owned()];
    facts.cpu.as_mut().unwrap().numa_nodes = 2;
    (facts.time_program, facts.glibc, facts.network.mtu) = (None, None, Some(9000));
    facts.speeds = Some(Speeds { sync_p99_micros: 40_100, ..facts.speeds.unwrap() });
    insta::assert_snapshot!("host", text::host_text(&facts));
    facts.clock_drift_ppb = Some(-12_345);
    let drifting = text::host_text(&facts);
    assert!(drifting.contains("kept right by no known program, drift -12345 billionths, 0 s ahead"), "{drifting}");
    (facts.filesystems[0].kind, facts.kernel_settings) = (String::new(), BTreeMap::new());
    let older = text::host_text(&facts::Facts { cpu: None, security: None, ..facts });
    assert!(!older.contains("filesystems: ") && !older.contains("kernel settings: "), "{older}");
    assert!(older.contains("processor: unknown\n"), "{older}");
    assert!(older.contains("AppArmor unknown, fapolicyd unknown, Secure Boot unknown"), "{older}");
}

#[test]
fn page_matches_snapshot() {
    with(&facts::sample::sample(), &[accepted_warning("swap", "2.0 GiB of swap")], |plan| {
        insta::assert_snapshot!("page", page::page(plan).unwrap());
    });
}

#[test]
fn page_is_self_contained_and_escaped() {
    let evil = "x\u{1b}[2J\nhost: other\u{202e}<script>alert('1')</script>";
    let mut facts = facts::sample::sample();
    (facts.hostname, facts.cpu.as_mut().unwrap().model) = (evil.to_owned(), evil.to_owned());
    with(&facts, &[accepted_warning(evil, evil)], |plan| {
        let page = page::page(plan).unwrap();
        for outside in
            ["http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "<img"]
        {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
        let text = text::text(plan);
        for shown in [&page, &text] {
            assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
        }
        for needed in ["prefers-color-scheme: dark", "@media print", "max-width: 30rem", "name=\"viewport\""] {
            assert!(page.contains(needed), "{needed}");
        }
    });
}

#[test]
fn documents_match_schemas() {
    let facts = facts::sample::sample();
    with(&facts, &[accepted_warning("swap", "")], |plan| {
        let documents = [
            (document::schema_of::<DryRun<'_>>(), document::pretty(plan)),
            (document::schema_of::<Facts>(), document::pretty(&facts)),
        ];
        for ((kind, schema), text) in documents {
            let document: Value = serde_json::from_str(&text).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let problems: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert!(problems.is_empty() && document["kind"] == kind, "{kind}: {problems:?}");
        }
    });
}
