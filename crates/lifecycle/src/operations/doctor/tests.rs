use landfall_documents::failure::Failure;
use landfall_documents::status::StatusReport;
use landfall_error_codes::codes;

use super::*;
use crate::operations::status::sample::{absent, installed_status, interrupted_status};
use crate::operations::testing::operations;

fn diagnosis_of(report: &StatusReport) -> Diagnosis {
    Diagnosis::of(report, &Ok(Vec::new()))
}

fn names(diagnosis: &Diagnosis) -> Vec<&str> {
    diagnosis.problems.iter().map(|problem| problem.name.as_str()).collect()
}

/// Returns an installed site without problems.
fn healthy() -> StatusReport {
    let mut report = installed_status();
    if let Some(backups) = &mut report.backups {
        backups.copies.clear();
        backups.logs.clear();
    }
    if let Some(terms) = report.license.as_mut().and_then(|license| license.terms.as_mut()) {
        terms.standing = "valid".to_owned();
    }
    report
}

#[test]
fn healthy_site_has_no_problem() {
    let found = diagnosis_of(&healthy());
    assert_eq!((names(&found), found.ready, found.exit_code()), (vec![], true, 0));
}

#[test]
fn problems_are_named_in_causal_order() {
    let mut report = healthy();
    report.verdict = Verdict::NotReady;
    let broken = || Some("broken".to_owned());
    report.components[0].ready = 0;
    report.components[0].reasons.push("it crashes".to_owned());
    (report.nodes[0].ready, report.nodes[0].reason) = (false, broken());
    report.disk.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.clock.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.certificates.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.agent.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.etcd.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.firewall.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.service_addresses.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.registry.iter_mut().for_each(|one| (one.ready, one.reason) = (false, broken()));
    report.cluster_silence = broken();
    report.no_backup = broken();
    let found = diagnosis_of(&report);
    let expected = [
        "disk",
        "clock",
        "certificates",
        "agent",
        "etcd",
        "firewall",
        "cluster",
        "node",
        "service-addresses",
        "registry",
        "component",
        "backups",
    ];
    assert_eq!(names(&found), expected);
    assert!(found.problems.iter().all(|problem| problem.next.ends_with('.')), "each has its next step");
    assert_eq!((found.blockers, found.warnings, found.exit_code()), (11, 1, 4));
}

#[test]
fn host_blocker_fails_running_site() {
    let blocker = Finding::new(codes::TOO_LITTLE_SPACE, "1 GiB", "2 GiB");
    let accepted = &healthy().accepted[0];
    let known =
        Finding { name: accepted.name.clone(), ..Finding::warning(codes::FIREWALL_FLUSHES, &accepted.measured, "") };
    let found = Diagnosis::of(&healthy(), &Ok(vec![known, blocker]));
    assert_eq!((names(&found).len(), found.exit_code()), (1, 4), "an accepted warning is no problem");
    assert_eq!(found.problems[0].code.as_deref(), Some(codes::TOO_LITTLE_SPACE.id));
    let unknown = Diagnosis::of(&healthy(), &Err("no facts".to_owned()));
    assert_eq!((names(&unknown), unknown.exit_code()), (vec!["host"], 0));
}

#[test]
fn stopped_operation_has_its_next_step() {
    let found = diagnosis_of(&interrupted_status());
    assert_eq!((found.problems[0].name.as_str(), found.exit_code()), ("operation", 5));
    assert!(found.problems[0].next.contains("landfall resume"));
    let mut report = interrupted_status();
    report.verdict = Verdict::Stuck;
    let step = report.operation.as_mut().and_then(|operation| operation.step.as_mut()).unwrap();
    step.failure = Some(Failure {
        code: "LF4207".into(),
        what: "ConfigMap settings belongs to helm".to_owned(),
        causes: Vec::new(),
        hint: "Remove it.".to_owned(),
    });
    let found = diagnosis_of(&report);
    let first = &found.problems[0];
    assert_eq!((first.code.as_deref(), first.next.as_str(), found.exit_code()), (Some("LF4207"), "Remove it.", 6));
}

#[test]
fn empty_machine_is_not_ready() {
    let found = diagnosis_of(&absent());
    assert_eq!((names(&found), found.exit_code()), (vec!["release"], 4));
    let (_root, operations) = operations();
    assert_eq!(operations.diagnose().unwrap().verdict, Verdict::Absent);
}
