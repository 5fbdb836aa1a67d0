//! Uninstall after a power cut, without a resume before it. The machine returns to its initial state.

use anyhow::{Result, ensure};
use landfall_xtask::seed::SeededNumbers;

use super::comparison::uninterrupted_install;
use super::cut::{CutPoint, Moment, install_and_cut, steps};
use super::engineer::Engineer;
use super::fixture::machine_with_stick;
use super::power_cut::{applies, phases};

#[test]
#[ignore = "needs cargo xtask test"]
fn after_a_cut_uninstall_removes_everything() -> Result<()> {
    let mut seeded = SeededNumbers::with_name("uninstall")?;
    let uninterrupted = uninterrupted_install()?;
    let (_site, machine) = machine_with_stick("e2e-uninstall")?;
    let engineer = Engineer::at(&machine);
    let steps = steps(engineer)?;
    let share = seeded.within(10, 95);
    let (phase, applying) = (seeded.one_of(&phases(&steps)?).clone(), seeded.one_of(&applies(&steps)?).clone());
    let moments = [
        CutPoint { step: "stage".to_owned(), moment: Moment::Read(uninterrupted.staged_bytes * share / 100) },
        uninterrupted.moment(&phase, seeded.within(30, 70))?,
        uninterrupted.moment(&applying, seeded.within(30, 70))?,
    ];
    for at in moments {
        let cut = install_and_cut(engineer, &at)?;
        engineer.uninstall_all()?;
        engineer
            .expect_unchanged(&format!("after a cut in {} and an uninstall", cut.end.step), &["/var/log/landfall"])?;
        ensure!(engineer.status()?["state"] == "absent", "status still sees something");
    }
    Ok(())
}
