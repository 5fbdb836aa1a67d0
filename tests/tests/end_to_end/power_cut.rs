//! The power is cut at six seeded instants of an install, each time of a new one: two while the media are read, two while
//! the control plane comes up, two while components are applied. Four of them at least lie between a Started and its
//! Done. `landfall resume` must end with the same site as an install that nobody disturbed; an uninstall after it must
//! leave the machine as it was born.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_tests::site::Category;
use landfall_tests::{printer, proofs};

use super::comparison::{expect_equal, secrets, uninterrupted};
use super::cut::{At, Cut, Moment, install_and_cut, steps};
use super::engineer::Engineer;
use super::fixture::{fixture, machine_with_stick};
use super::seed::Seeded;

/// What a resume may read from the media a second time.
const REREAD_LIMIT_BYTES: u64 = 64 << 20;

/// The host may keep this after an uninstall.
const LOGS: &str = "/var/log/landfall";

#[test]
#[ignore = "needs cargo xtask test"]
fn while_the_media_are_read() -> Result<()> {
    let whole = uninterrupted()?.media_read_bytes;
    let mut seeded = Seeded::named("staging");
    let (_site, machine) = machine_with_stick("e2e-cut-media")?;
    let engineer = Engineer::at(&machine);
    let steps = steps(engineer)?;
    for share in [seeded.within(10, 45), seeded.within(45, 95)] {
        let at = At { step: "stage".to_owned(), moment: Moment::Read(whole * share / 100) };
        let cut = install_and_cut(engineer, &steps, &at)?;
        ensure!(cut.step == "stage" && cut.is_within_a_step(), "the cut did not hit the middle of staging: {cut:?}");
        engineer.expect_unchanged("after a cut while staging", &["/var/lib/landfall", LOGS])?;
        let read = resume(engineer, &cut)?;
        let twice = (cut.read_bytes + read).saturating_sub(whole);
        printer::note(format!(
            "media: {} bytes before the cut, {read} after it, {whole} in an uninterrupted install: {twice} read twice",
            cut.read_bytes
        ));
        ensure!(twice <= REREAD_LIMIT_BYTES, "{twice} bytes were read from the media twice");
        take_back(engineer)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn while_the_control_plane_comes_up() -> Result<()> {
    let mut seeded = Seeded::named("control plane");
    // First, alone: machines share some settings of the kernel.
    uninterrupted()?;
    let (_site, machine) = machine_with_stick("e2e-cut-control")?;
    let engineer = Engineer::at(&machine);
    let steps = steps(engineer)?;
    let phases: Vec<String> = steps.iter().filter(|step| step.starts_with("kubeadm/")).cloned().collect();
    ensure!(phases.len() > 5, "the plan has no phases of kubeadm: {steps:?}");
    // Without the last, whose successor is no part of the control plane.
    let phases = &phases[..phases.len() - 1];
    let waiting = At {
        step: "control-plane-ready".to_owned(),
        moment: Moment::After(Duration::from_millis(seeded.within(300, 4000))),
    };
    let phase =
        At { step: seeded.one_of(phases).clone(), moment: Moment::After(Duration::from_millis(seeded.within(0, 150))) };
    for (at, must_be_within) in [(waiting, true), (phase, false)] {
        let cut = install_and_cut(engineer, &steps, &at)?;
        ensure!(!must_be_within || cut.is_within_a_step(), "the cut did not hit the middle of a step: {cut:?}");
        ensure!(
            is_between(&steps, "kubeadm-configuration", &cut.step, "registry"),
            "not in the control plane: {cut:?}"
        );
        ensure!(resume(engineer, &cut)? == 0, "the media were read again after they were safe to remove");
        take_back(engineer)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn while_components_are_applied() -> Result<()> {
    let mut seeded = Seeded::named("components");
    // First, alone: machines share some settings of the kernel.
    uninterrupted()?;
    let (_site, mut machine) = machine_with_stick("e2e-cut-apply")?;
    let engineer = Engineer::at(&machine);
    let steps = steps(engineer)?;
    let waits: Vec<String> = steps.iter().filter(|step| is_slow_wait(step)).cloned().collect();
    let applies: Vec<String> = steps.iter().filter(|step| step.starts_with("component/")).cloned().collect();
    ensure!(!waits.is_empty() && !applies.is_empty(), "the plan applies no components: {steps:?}");
    let waiting = At {
        step: seeded.one_of(&waits).clone(),
        moment: Moment::After(Duration::from_millis(seeded.within(500, 3000))),
    };
    let applying = At {
        step: seeded.one_of(&applies).clone(),
        moment: Moment::After(Duration::from_millis(seeded.within(0, 100))),
    };
    let cut = install_and_cut(engineer, &steps, &waiting)?;
    ensure!(cut.is_within_a_step(), "the cut did not hit the middle of a step: {cut:?}");
    ensure!(resume(engineer, &cut)? == 0, "the media were read again after they were safe to remove");
    take_back(engineer)?;

    let cut = install_and_cut(engineer, &steps, &applying)?;
    ensure!(is_between(&steps, "registry", &cut.step, ""), "not among the components: {cut:?}");
    // The stick is gone for good: everything that is left comes from the data folder.
    machine.power_cut()?;
    machine.set_stick(None)?;
    machine.boot()?;
    let engineer = Engineer::at(&machine);
    ensure!(resume(engineer, &cut)? == 0, "the media were read although they are gone");
    proofs::prove(&machine, &fixture()?.expected)?;
    keep_data(engineer)
}

/// Waits of components that take seconds, so that an instant within them is met.
fn is_slow_wait(step: &str) -> bool {
    ["postgres", "valkey", "dns"].iter().any(|name| step == format!("ready/{name}"))
}

/// Whether a step lies behind the first and before the last; before the end where there is no last.
fn is_between(steps: &[String], first: &str, step: &str, last: &str) -> bool {
    let position = |wanted: &str| steps.iter().position(|step| step == wanted);
    let end = if last.is_empty() { Some(steps.len()) } else { position(last) };
    match (position(first), position(step), end) {
        (Some(first), Some(step), Some(end)) => first < step && step < end,
        _ => false,
    }
}

/// Resumes after a cut and compares with an uninterrupted install. Returns the bytes that were read from the media.
fn resume(engineer: Engineer<'_>, cut: &Cut) -> Result<u64> {
    let machine = engineer.machine();
    let before = secrets(machine)?;
    let begun = Instant::now();
    let report = engineer.resume()?;
    let read = report["mediaReadBytes"].as_u64().context("resume does not say what it read")?;
    printer::note(format!("resumed from record {} in {:.0} s", cut.record, begun.elapsed().as_secs_f64()));
    engineer.wait_ready("the resume")?;
    expect_equal(engineer)?;
    let after = secrets(machine)?;
    for (path, digest) in &before {
        ensure!(after.get(path) == Some(digest), "{path} is not what was written before the cut");
    }
    printer::note(format!("{} secrets of before the cut are unchanged, of {} now", before.len(), after.len()));
    Ok(read)
}

/// Uninstalls; the machine is as it was born.
fn take_back(engineer: Engineer<'_>) -> Result<()> {
    engineer.uninstall(&[])?;
    engineer.expect_unchanged("after an uninstall", &[LOGS])
}

/// Uninstalls without the data: volumes and secrets stay, and nothing else.
fn keep_data(engineer: Engineer<'_>) -> Result<()> {
    let report = engineer.uninstall(&["--keep-data"])?;
    let kept = ["/var/lib/landfall/storage", "/var/lib/landfall/secrets"];
    ensure!(report["kept"] == serde_json::json!(kept), "{report}");
    // The stick that was taken out is a difference, too.
    let difference = engineer.machine().difference_since_birth()?.outside(&[LOGS, "/media/stick", kept[0], kept[1]]);
    let others: Vec<_> = difference.changes.iter().filter(|change| change.item != "/var/lib/landfall").collect();
    ensure!(others.is_empty(), "more is kept than data:\n{difference}");
    let difference = engineer.machine().difference_since_birth()?;
    for what in ["PG_VERSION", "postgres-credentials.json"] {
        let found = difference.of(Category::File).any(|change| change.item.ends_with(what));
        ensure!(found, "{what} was not kept:\n{difference}");
    }
    Ok(())
}
