//! Uninstall after a power cut, without a resume before it: the machine is as it was born.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::cut::{At, Moment, install_and_cut, steps};
use super::engineer::Engineer;
use super::fixture::machine_with_stick;
use super::seed::Seeded;

#[test]
#[ignore = "needs cargo xtask test"]
fn after_a_cut_in_staging_control_plane_and_apply() -> Result<()> {
    let mut seeded = Seeded::named("uninstall");
    let (_site, machine) = machine_with_stick("e2e-uninstall")?;
    let engineer = Engineer::at(&machine);
    let steps = steps(engineer)?;
    let staging = Moment::Read(seeded.within(50 << 20, 600 << 20));
    let control_plane = Moment::After(Duration::from_millis(seeded.within(300, 4000)));
    let apply = Moment::After(Duration::from_millis(seeded.within(500, 3000)));
    for (step, moment) in [("stage", staging), ("control-plane-ready", control_plane), ("ready/postgres", apply)] {
        let cut = install_and_cut(engineer, &steps, &At { step: step.to_owned(), moment })?;
        ensure!(cut.step == step && cut.is_within_a_step(), "the cut did not hit the middle of {step}: {cut:?}");
        engineer.uninstall(&[])?;
        engineer.expect_unchanged(&format!("after a cut in {step} and an uninstall"), &["/var/log/landfall"])?;
        ensure!(engineer.status()?["state"] == "absent", "status still sees something");
    }
    Ok(())
}
