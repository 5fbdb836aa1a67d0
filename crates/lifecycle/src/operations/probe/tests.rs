use landfall_error_codes::CodedError as _;
use landfall_host::facts::{self, sample};
use serde_json::json;

use super::*;

fn sample_output() -> String {
    let mut document = serde_json::to_value(sample::sample()).unwrap();
    (document["kind"], document["schema"]) = (facts::KIND.into(), facts::SCHEMA.into());
    document.to_string()
}

#[test]
fn pod_output_without_facts_is_refused() {
    assert_eq!(parse(&sample_output()), Ok(sample::sample()));
    assert_eq!(parse("{\"kind\": \"status\"}").unwrap_err(), "what it printed is not a document of the kind facts");
    assert_eq!(parse("sh: not found").unwrap_err(), "what it printed does not hold the facts of a host");
    assert_eq!(parse(&sample_output()[1..]).unwrap_err(), "what it printed does not hold the facts of a host");
    assert_eq!(parse(&" ".repeat(LOG_BYTES + 1)).unwrap_err(), "it printed more than 4 MiB");
}

fn not_deleted() -> ClusterError {
    let object = landfall_cluster::ObjectName::new("v1", "Namespace", "", "landfall-probe-1");
    ClusterError::NotDeleted { object: object.into(), seconds: 120, finalizers: vec!["kubernetes".to_owned()] }
}

#[test]
fn leftover_namespace_is_always_named() {
    let failed = || Err(StepError::new(codes::CLUSTER_UNREACHABLE, "no answer"));
    assert_eq!(merge_errors(Ok(()), None, "landfall-probe-1").unwrap(), None);
    assert_eq!(merge_errors(failed(), None, "landfall-probe-1").unwrap_err().code(), codes::CLUSTER_UNREACHABLE);
    let left = merge_errors(Ok(()), Some(&not_deleted()), "landfall-probe-1").unwrap().unwrap();
    assert_eq!(left.code, codes::PROBE_LEFTOVER);
    assert!(left.reason.starts_with("the namespace landfall-probe-1 is not deleted: "), "{}", left.reason);
    let both = merge_errors(failed(), Some(&not_deleted()), "landfall-probe-1").unwrap_err();
    assert_eq!(both.code(), codes::PROBE_LEFTOVER);
    let said = with_causes(&both);
    assert!(said.contains("landfall-probe-1") && said.ends_with("no answer"), "{said}");
}

#[test]
fn exit_code_reflects_absences_and_leftovers() {
    let node = |probed| ProbedNode { name: "worker-1".to_owned(), probed };
    let report = |nodes, leftover| ProbeReport { server: "https://10.0.0.1:6443/".to_owned(), nodes, leftover };
    let whole = || node(ProbeOutcome::Facts(Box::new(sample::sample())));
    let absent = || ProbedNode::absent("worker-2", codes::PROBE_NOT_RUN, "after 120 s: it waits");
    assert_eq!(report(vec![whole()], None).exit_code(), 0);
    assert_eq!(report(vec![whole(), absent()], None).exit_code(), 4);
    assert_eq!(report(vec![whole()], Some(Absence::new(codes::PROBE_LEFTOVER, "it exists"))).exit_code(), 4);
    let document = serde_json::to_value(report(vec![whole(), absent()], None)).unwrap();
    assert_eq!(document["nodes"][0]["facts"]["hostname"], "node-1");
    assert_eq!(document["nodes"][1]["absent"]["code"], "LF3077");
    assert_eq!((&document["nodes"][1]["facts"], &document["leftover"]), (&json!(null), &json!(null)));
}
