//! An undo that cannot end: the state in the meantime, and the handbook's page that resolves it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::administer;
use landfall_xtask::site::wait_until;

use crate::end_to_end::engineer::Engineer;
use crate::end_to_end::handbook;

/// Heading of the handbook's page.
const PAGE: &str = "field/runbooks/failed-undo";

/// Time limit until the status says that the site is stuck. The agent retries the undo from time to time, which the
/// status also reports.
const LOOK_LIMIT: Duration = Duration::from_mins(2);

/// Prefix of the step that cannot be undone.
const STEP: &str = "keep-copy/pvc-";

/// Prefix of data from before an upgrade, in the folder of volumes.
const BEFORE: &str = "before-upgrade.";

/// Checks the stuck state. Only a user can remove the cause, the status names it, and the data from before the upgrade
/// is next to its volume.
pub(super) fn expect_stuck(engineer: Engineer<'_>) -> Result<()> {
    let [look, ..] = page()?;
    let status = wait_until("the status of a change that is stuck", LOOK_LIMIT, || {
        let status = engineer.follow(&look, &[])?.checked_status()?;
        Ok((status["verdict"] == "stuck").then_some(status))
    })?;
    ensure!(status["state"] == "change-interrupted" && status["operation"]["operation"] == "upgrade", "{status:#}");
    let step = &status["operation"]["step"];
    let id = step["id"].as_str().context("the status names no step")?;
    ensure!(id.starts_with(STEP) && step["stuck"] == true, "{step:#}");
    ensure!(step["failure"]["code"] == "LF4026", "{step:#}");
    let folders = engineer.machine().run("ls /var/lib/landfall/storage")?.stdout;
    ensure!(
        folders.lines().any(|name| name.starts_with(BEFORE)),
        "the data from before the upgrade is gone: {folders}"
    );
    let pods = administer(engineer.machine(), "kubectl --namespace postgres get pods --output name")?;
    ensure!(pods.status.success() && !pods.stdout.contains("postgres-0"), "the database may write: {pods:?}");
    Ok(())
}

/// Follows the page once the cause is removed: the undo ends, and everything runs as before.
pub(super) fn end_by_the_page(engineer: Engineer<'_>) -> Result<()> {
    let [_look, resume, look, prove] = page()?;
    let undone = engineer.follow(&resume, &[])?.expect_refusal("resume of an undo", "LF4032", 4)?;
    ensure!(undone.to_string().contains("starter 1.0.0"), "the release that stays is not named: {undone}");
    engineer.wait_ready("an undo that had failed")?;
    let status = engineer.follow(&look, &[])?.checked_status()?;
    ensure!(status["verdict"] == "ready", "{status:#}");
    engineer.follow(&prove, &[])?.report("prove")?;
    printer::note("proved: an undo that could not end said why, waited, and ended once a person had removed the cause");
    Ok(())
}

fn page() -> Result<[Vec<String>; 4]> {
    handbook::arguments(PAGE, &[])
}
