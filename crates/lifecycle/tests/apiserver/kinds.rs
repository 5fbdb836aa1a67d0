//! What the build says of objects of Kubernetes' kinds, held against the answers of the API server.

use landfall_kinds::corpus::{Case, Verdict, cases, cases_of_rules};
use landfall_kinds::custom::CustomKinds;
use landfall_kinds::{Fault, check};
use serde_json::Value;

use crate::fixture::ControlPlane;

/// Applied as Landfall applies objects, but not kept.
const TRY: [&str; 6] = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn build_and_server_accept_same_objects() {
    let plane = ControlPlane::start();
    plane.wait_for_account("default");
    let wrong: Vec<String> = cases().iter().filter_map(|case| disagreement(&plane, case, check)).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

fn disagreement(plane: &ControlPlane, case: &Case, judged: impl Fn(&Value) -> Result<(), Fault>) -> Option<String> {
    let server = plane.answer_of_kubectl(&TRY, Some(&case.object)).map(drop);
    let build = judged(&case.object).map_err(|fault| fault.to_string());
    let is_expected = match case.verdict {
        Verdict::Taken => server.is_ok() && build.is_ok(),
        Verdict::Refused { .. } => server.is_err() && build.is_err(),
        Verdict::RefusedByServerAlone { .. } => server.is_err() && build.is_ok(),
    };
    (!is_expected)
        .then(|| format!("{}: {:?}\n  the API server: {server:?}\n  the build: {build:?}", case.name, case.verdict))
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn build_and_server_judge_rules_alike() {
    let plane = ControlPlane::start();
    plane.wait_for_account("default");
    let (definition, cases) = cases_of_rules();
    plane.kubectl(&["apply", "--server-side", "-f", "-"], Some(&definition));
    let name = format!("crd/{}", definition["metadata"]["name"].as_str().unwrap());
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &name], None);
    let kinds = CustomKinds::among([&definition]);
    let judged = |object: &Value| kinds.check(object);
    let wrong: Vec<String> = cases.iter().filter_map(|case| disagreement(&plane, case, judged)).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
