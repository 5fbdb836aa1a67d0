//! Tests that need a network namespace of their own.

use landfall_media::mounted::in_namespaces;

/// Set in the process that runs in a network namespace of its own.
pub(super) const INSIDE: &str = "LANDFALL_TEST_NAMESPACE";

/// Runs this test again in a network namespace in which these commands ran first, and returns what it saw there.
pub(super) fn in_namespace_with(test: &str, commands: &str) {
    let this = std::env::current_exe().unwrap();
    let line = format!("ip link set lo up; {commands}\n\"$0\" --exact {test} --nocapture");
    let output = in_namespaces().args(["--net", "sh", "-euc", &line]).arg(this).env(INSIDE, "yes").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
