//! Power cuts at six seeded instants, each in a new install. Two are while the media is read, two in the control plane,
//! and two while components are applied. All six are between a Started and its Done. Four are in steps that change
//! things: both of staging, one of kubeadm's phases, one that applies objects. The other two are while the control
//! plane and a component start for the first time. `landfall resume` must result in the same site as an undisturbed
//! install. An uninstall after it must restore the machine's initial state.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use landfall_xtask::seed::SeededNumbers;
use landfall_xtask::site::Category;
use landfall_xtask::{printer, proofs};
use serde_json::Value;

use super::comparison::{UninterruptedInstall, expect_equal, uninterrupted_install};
use super::cut::{Cut, CutPoint, Moment, install_and_cut, steps};
use super::engineer::{Engineer, Said};
use super::fixture::{fixture, machine_with_stick};
use super::memory;
use super::secrets::GeneratedFiles;

/// Limit of the staged bytes that a resume may read from the media again (ADR 11). They are small blobs that wait for
/// their common sync, the unsynced part of a large one, and data read ahead or in memory.
const REREAD_LIMIT_BYTES: u64 = (64 << 20) + (16 << 20) + (24 << 20);

/// Folder that may remain on the host after an uninstall.
const LOGS: &str = "/var/log/landfall";

/// File that every cut after staging must find already generated.
const ENCRYPTION_KEY: &str = "/var/lib/landfall/secrets/encryption.yaml";

#[test]
#[ignore = "needs cargo xtask test"]
fn while_the_media_are_read() -> Result<()> {
    let uninterrupted = uninterrupted_install()?;
    let mut seeded = SeededNumbers::with_name("staging")?;
    let (_site, machine) = machine_with_stick("e2e-cut-media")?;
    let engineer = Engineer::at(&machine);
    for share in [seeded.within(10, 45), seeded.within(45, 95)] {
        let wanted = uninterrupted.staged_bytes * share / 100;
        let cut = install_and_cut(engineer, &CutPoint { step: "stage".to_owned(), moment: Moment::Read(wanted) })?;
        engineer
            .expect_unchanged("after a cut while staging", &["/usr/local/bin/landfall", "/var/lib/landfall", LOGS])?;
        let report = resume(engineer, &cut)?;
        expect_few_read_twice(cut.read_bytes, &report, uninterrupted)?;
        uninstall_all(engineer)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn control_plane_start_survives_power_cut() -> Result<()> {
    let mut seeded = SeededNumbers::with_name("control plane")?;
    let uninterrupted = uninterrupted_install()?;
    let (_site, machine) = machine_with_stick("e2e-cut-control")?;
    let engineer = Engineer::at(&machine);
    let phase = seeded.one_of(&phases(&steps(engineer)?)?).clone();
    for step in ["control-plane-ready", &phase] {
        let cut = install_and_cut(engineer, &uninterrupted.moment(step, seeded.within(30, 70))?)?;
        resume_without_media(engineer, &cut)?;
        uninstall_all(engineer)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn while_components_are_applied() -> Result<()> {
    let mut seeded = SeededNumbers::with_name("components")?;
    let uninterrupted = uninterrupted_install()?;
    let (_site, mut machine) = machine_with_stick("e2e-cut-apply")?;
    let engineer = Engineer::at(&machine);
    let steps = steps(engineer)?;
    let waiting = seeded.one_of(&["ready/postgres", "ready/valkey", "ready/dns"]);
    let cut = install_and_cut(engineer, &uninterrupted.moment(waiting, seeded.within(5, 70))?)?;
    resume_without_media(engineer, &cut)?;
    uninstall_all(engineer)?;

    let applying = seeded.one_of(&applies(&steps)?).clone();
    let cut = install_and_cut(engineer, &uninterrupted.moment(&applying, seeded.within(30, 70))?)?;
    // The stick is removed permanently: all other content comes from the data folder.
    machine.power_cut()?;
    machine.set_stick(None)?;
    machine.boot()?;
    let engineer = Engineer::at(&machine);
    resume_without_media(engineer, &cut)?;
    proofs::prove(&machine, &fixture()?.expected)?;
    keep_data(engineer)
}

/// Fails if more was read than an uninterrupted install reads, plus the limit from the media, plus one look at what was
/// staged before the cut: a resume compares it with what was signed. Fewer bytes mean that some were not counted.
/// `before` is the kernel's count for the interrupted process, only in the step. The resume counts its own bytes from
/// its start, including the bundle's head.
fn expect_few_read_twice(before: u64, report: &Value, uninterrupted: &UninterruptedInstall) -> Result<()> {
    let (staged, placed) = (uninterrupted.staged_bytes, uninterrupted.placed_bytes);
    let after = media_read_bytes(report)?;
    let from_store = report["storeReadBytes"].as_u64().context("resume does not say what it read from the store")?;
    let twice = (before + after).checked_sub(staged);
    let twice = twice.with_context(|| {
        format!(
            "{before} bytes read before the cut and {after} after it cannot be all of the {staged} that were staged"
        )
    })?;
    printer::note(format!(
        "media: {before} bytes read before the cut, {after} after it, {staged} staged: {twice} twice or beside; from \
         the store: {from_store} after it, of which {placed} were placed"
    ));
    let compared = from_store.checked_sub(placed);
    let compared = compared.with_context(|| format!("{placed} bytes were placed, and {from_store} checked"))?;
    ensure!(twice <= REREAD_LIMIT_BYTES, "{twice} bytes were read from the media again");
    ensure!(compared <= before, "{compared} bytes were compared, although at most {before} had been staged");
    Ok(())
}

/// Returns kubeadm's phases, each of which changes things.
pub(crate) fn phases(steps: &[String]) -> Result<Vec<String>> {
    let phases: Vec<String> = steps.iter().filter(|step| step.starts_with("kubeadm/")).cloned().collect();
    ensure!(phases.len() > 5, "the plan has no phases of kubeadm: {steps:?}");
    Ok(phases)
}

/// Returns the steps that apply components.
pub(crate) fn applies(steps: &[String]) -> Result<Vec<String>> {
    let applies: Vec<String> = steps.iter().filter(|step| step.starts_with("component/")).cloned().collect();
    ensure!(applies.len() > 3, "the plan applies no components: {steps:?}");
    Ok(applies)
}

fn media_read_bytes(report: &Value) -> Result<u64> {
    report["mediaReadBytes"].as_u64().context("resume does not say what it read")
}

/// Resumes after a cut after staging: nothing is read from the media, and files generated earlier exist.
fn resume_without_media(engineer: Engineer<'_>, cut: &Cut) -> Result<()> {
    GeneratedFiles::at(engineer.machine())?.expect(ENCRYPTION_KEY)?;
    let report = resume(engineer, cut)?;
    ensure!(media_read_bytes(&report)? == 0, "the media were read again after they were safe to remove: {report}");
    Ok(())
}

/// Resumes after a cut and compares the site with an uninterrupted install. Returns the resume's report.
fn resume(engineer: Engineer<'_>, cut: &Cut) -> Result<Value> {
    let before = GeneratedFiles::at(engineer.machine())?;
    let begun = Instant::now();
    let (said, peak_memory_bytes) = memory::peak_of(engineer.machine(), "resume", || engineer.landfall(&["resume"]))?;
    memory::expect_little("resume", peak_memory_bytes)?;
    let report = said.report("resume")?;
    expect_report(&said, cut)?;
    printer::note(format!("resumed from record {} in {:.0} s", cut.end.record, begun.elapsed().as_secs_f64()));
    engineer.wait_ready("the resume")?;
    expect_equal(engineer)?;
    let after = GeneratedFiles::at(engineer.machine())?;
    after.expect_since(&before)?;
    after.expect(ENCRYPTION_KEY)?;
    printer::note(format!(
        "{} generated files from before the cut are unchanged, of {} now; {} match the journal",
        before.len(),
        after.len(),
        after.recorded_count()
    ));
    Ok(report)
}

/// Fails unless a resume reported the step and record at which the journal on the disk ended.
fn expect_report(said: &Said, cut: &Cut) -> Result<()> {
    let end = &cut.end;
    let (begin, rest) = (format!(" at step {} of ", end.index + 1), format!(", {} (", end.step));
    let finish = format!("), which is {}; journal record {}", end.status, end.record);
    let is_report = |line: &String| line.contains(&begin) && line.contains(&rest) && line.ends_with(&finish);
    ensure!(said.notes()?.iter().any(is_report), "resume did not report {end:?}:\n{}", said.lines.join("\n"));
    Ok(())
}

/// Uninstalls, and fails unless the machine is in its initial state.
fn uninstall_all(engineer: Engineer<'_>) -> Result<()> {
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after an uninstall", &[LOGS])
}

/// Command that reads the state in PostgreSQL's control file, which follows two 64-bit numbers.
const READ_STATE: &str = "od --address-radix=n --format=d4 --skip-bytes=16 --read-bytes=4";

/// `DB_SHUTDOWNED`: the server shut down cleanly, and its last checkpoint is complete.
const ENDED: &str = "1";

/// Uninstalls without deleting data. Only volumes and secrets remain.
fn keep_data(engineer: Engineer<'_>) -> Result<()> {
    let report = engineer.uninstall(&[])?;
    let kept = ["/var/lib/landfall/storage", "/var/lib/landfall/secrets"];
    let record = "/var/lib/landfall/kept.json";
    ensure!(report["kept"] == serde_json::json!(kept), "{report}");
    let state = engineer.machine().run(&format!("find {} -name pg_control -exec {READ_STATE} {{}} +", kept[0]))?.stdout;
    ensure!(state.trim() == ENDED, "PostgreSQL was killed: its data is in state {state}");
    // The disconnected stick is a difference as well.
    let difference =
        engineer.machine().difference_since_birth()?.outside(&[LOGS, "/media/stick", kept[0], kept[1], record]);
    let others: Vec<_> = difference.changes.iter().filter(|change| change.item != "/var/lib/landfall").collect();
    ensure!(others.is_empty(), "more is kept than data:\n{difference}");
    let difference = engineer.machine().difference_since_birth()?;
    for what in ["PG_VERSION", "postgres-credentials.json"] {
        let found = difference.of(Category::File).any(|change| change.item.ends_with(what));
        ensure!(found, "{what} was not kept:\n{difference}");
    }
    Ok(())
}
