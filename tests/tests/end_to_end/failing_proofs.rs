//! Proofs that must fail, and their error messages.

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::administer;
use serde_json::Value;

use super::engineer::Engineer;

/// A proof fails if its workload has no pods, while another proof passes. Unknown names are refused.
pub(crate) fn are_reported(engineer: Engineer<'_>) -> Result<()> {
    let unknown = engineer.landfall(&["prove", "vectr"])?.expect_refusal("prove vectr", "LF4502", 2)?;
    ensure!(unknown.to_string().contains("Did you mean `vector`?"), "no name was suggested: {unknown}");

    let machine = engineer.machine();
    let scale = |replicas: u32| {
        let line = format!("kubectl --namespace valkey scale statefulset/valkey --replicas {replicas} --timeout 60s");
        let scaled = administer(machine, &line)?;
        ensure!(scaled.status.success(), "{}{}", scaled.stdout, scaled.stderr);
        Ok(())
    };
    scale(0)?;
    let gone = administer(machine, "kubectl --namespace valkey wait --for delete pod/valkey-0 --timeout 60s")?;
    ensure!(gone.status.success(), "valkey does not go: {}", gone.stderr);
    let said = engineer.landfall(&["prove", "key", "vector"]);
    scale(1)?;
    let said = said?;
    let failure = said.expect_refusal("prove", "LF4501", 4)?;
    ensure!(failure["what"].as_str().is_some_and(|what| what.ends_with("failed: key")), "{failure}");
    let report: Value = serde_json::from_str(&said.data).context("landfall prove printed no report")?;
    let proofs = report["proofs"].as_array().context("the report lists no proofs")?;
    let passed: Vec<_> = proofs.iter().map(|proof| (proof["name"].as_str(), proof["passed"].as_bool())).collect();
    let expected = [(Some("vector"), Some(true)), (Some("key"), Some(false))];
    ensure!(report["passed"] == false && passed == expected, "{report:#}");
    let found = proofs[1]["failure"]["found"].as_str().unwrap_or_default();
    ensure!(found == "StatefulSet/valkey has no ready pod, for 30 s", "the failed proof says: {found}");
    engineer.wait_ready("valkey was scaled back")?;
    engineer.landfall(&["prove", "key"])?.report("prove")?;
    printer::note("proved: a proof that must fail does, with its reason, and passes when the reason is gone");
    Ok(())
}
