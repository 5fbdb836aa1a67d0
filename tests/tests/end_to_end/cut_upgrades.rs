//! The power is cut at seeded instants of upgrades: while content is placed, data is backed up and restored on trial, while everything
//! changes, and on the way back. The site ends by itself as exactly one of the two versions, with that version's objects, images, files and
//! data.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_tests::printer;
use landfall_tests::proofs::sql;
use landfall_tests::seed::Seeded;
use landfall_tests::site::wait_until;

use super::another_release::{expect_release, schema};
use super::changed_site::ChangedSite;
use super::cut::{At, Moment, cut_during};
use super::differences;
use super::dump::{self, dump};
use super::engineer::Engineer;
use super::installed::{installed_machine, start_over};
use super::later_releases::{BROKEN, NEXT, ensure_later_releases};

/// Instants of each kind, of backup and trial restore together.
const OF_EACH: usize = 6;

/// Of those of the backup, how many are in the trial restore of the database.
const OF_TRIAL: usize = 3;

/// The namespace in which a backup of the database is restored on trial.
const TRIAL: &str = "landfall-drill-postgres";

/// The step in which the database of the later release starts, and its job migrates the data.
const MIGRATION: &str = "ready/postgres";

/// The instants of changes that are in it, whatever the seed says.
const MIGRATING: [usize; 2] = [2, 4];

/// How soon after the boot a change that was interrupted must continue.
const CONTINUE_LIMIT: Duration = Duration::from_mins(1);

/// How long it may take until it has ended, once the machine has booted.
const SELF_LIMIT: Duration = Duration::from_mins(10);

/// Volumes that a change has moved or copied, which none leaves behind.
const DISPLACED: &str = "ls /var/lib/landfall/storage | grep -E '^(before|unfinished)' || true";

/// Steps of a rollback that brings data back.
const ROLLBACK: [&str; 7] = [
    "stop/postgres/postgres",
    "set-aside/postgres/database",
    "component/postgres",
    "stop-again/postgres/postgres",
    "load/postgres/database",
    "ready/postgres",
    "check-restored/postgres/database",
];

/// The instants of a seed.
struct Instants {
    /// While content is copied from the media and placed.
    placing: Vec<At>,
    /// While data is backed up, and the backup restored on trial.
    backup: Vec<At>,
    /// While the backup of the database is restored on trial.
    trial: Vec<At>,
    /// While data is copied and migrated, and objects and the node change.
    change: Vec<At>,
    /// While a release that failed is undone.
    undo: Vec<At>,
    /// In rollbacks that bring data back: beyond those of upgrades.
    rollback: Vec<At>,
}

impl Instants {
    /// Those of the upgrade from 1.0.0 to 1.1.0, whose steps these are, and of one to a release that fails. The number of instants that
    /// a test takes of a kind changes none of them.
    fn of(steps: &[String]) -> Result<Self> {
        let [placing, changing, undone] = [placing(steps), changing(steps)?, undone(steps)?];
        let [backup, back] = [vec!["backup".to_owned()], ROLLBACK.map(str::to_owned).to_vec()];
        let migration = vec![MIGRATION.to_owned()];
        ensure!(changing.contains(&migration[0]), "the database does not change: {changing:?}");
        let in_trial = |wait| Moment::InPod(TRIAL, wait);
        let changes = |number: usize| if MIGRATING.contains(&number) { &migration } else { &changing };
        Ok(Self {
            placing: of_kind("placing", |_| &placing, 300, Moment::After)?,
            backup: of_kind("backup", |_| &backup, 25_000, Moment::After)?[..OF_EACH - OF_TRIAL].to_vec(),
            trial: of_kind("trial", |_| &backup, 3000, in_trial)?[..OF_TRIAL].to_vec(),
            change: of_kind("change", changes, 3000, Moment::After)?,
            undo: of_kind("undo", |_| &undone, 2000, Moment::Undoing)?,
            rollback: of_kind("rollback", |_| &back, 2000, Moment::After)?,
        })
    }
}

/// Those that a test takes.
struct Chosen {
    /// In upgrades that are undone.
    undone: Vec<At>,
    /// In upgrades that work.
    forward: Vec<At>,
    /// In rollbacks after those that went forward.
    rollbacks: Vec<At>,
}

// One of each kind for the part `upgrades`, where whole sites are compared after the undo; the part `cuts` has them all, and compares each.

#[test]
#[ignore = "needs cargo xtask test"]
fn an_instant_of_each_kind() -> Result<()> {
    upgrades_cut("e2e-cuts", None, |instants| Chosen {
        undone: instants.undo[..1].to_vec(),
        forward: [&instants.placing, &instants.backup, &instants.trial, &instants.change]
            .map(|kind| kind[0].clone())
            .to_vec(),
        rollbacks: instants.rollback[..1].to_vec(),
    })
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn all_instants_of_undo_and_content() -> Result<()> {
    let later = upgraded_without_a_cut("e2e-upgrade-uncut")?;
    upgrades_cut("e2e-upgrade-all-cuts", Some(later), |instants| Chosen {
        undone: instants.undo,
        forward: instants.placing,
        rollbacks: instants.rollback[..OF_EACH / 2].to_vec(),
    })
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn all_instants_of_backup_and_change() -> Result<()> {
    let later = upgraded_without_a_cut("e2e-other-uncut")?;
    upgrades_cut("e2e-upgrade-other-cuts", Some(later), |instants| Chosen {
        undone: Vec::new(),
        forward: [instants.backup, instants.trial, instants.change].concat(),
        rollbacks: instants.rollback[OF_EACH / 2..].to_vec(),
    })
}

/// A site that has become 1.1.0 without a power cut.
fn upgraded_without_a_cut(site: &str) -> Result<ChangedSite> {
    ensure_later_releases()?;
    let (_site, machine) = installed_machine(site)?;
    let engineer = Engineer::at(&machine);
    engineer.landfall(&["upgrade", NEXT])?.report("upgrade")?;
    engineer.wait_ready("an upgrade")?;
    ChangedSite::settled(engineer)
}

/// Cuts at the chosen instants. `later` is what 1.1.0 leaves, where that is known.
fn upgrades_cut(site: &str, later: Option<ChangedSite>, choose: impl FnOnce(Instants) -> Chosen) -> Result<()> {
    ensure_later_releases()?;
    let (_site, machine) = installed_machine(site)?;
    let engineer = Engineer::at(&machine);
    let Chosen { undone, forward, mut rollbacks } = choose(Instants::of(&steps(engineer)?)?);
    let first = ChangedSite::settled(engineer)?;
    let mut cuts = Cuts { engineer, first, later, was_later: false, within: Vec::new() };
    write_rows(engineer)?;
    for at in &undone {
        cuts.on_the_way_back(at)?;
    }
    for (number, at) in (1..).zip(&forward) {
        let is_later = cuts.on_the_way(at)? == "1.1.0";
        if let Some(at) = rollbacks.pop_if(|_| is_later) {
            cuts.roll_back_through(&at)?;
        } else if is_later && number < forward.len() {
            start_over(&machine)?;
            cuts.was_later = false;
            write_rows(engineer)?;
        }
    }
    ensure!(rollbacks.is_empty(), "too few upgrades went forward: {rollbacks:?} were not tried");
    expect_met(&forward, &cuts.within)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after upgrades that were cut and an uninstall", &["/var/log/landfall"])
}

/// Fails unless at least one cut met the trial restore, and one the migration, of the kinds that were tried. `within` are the instants at
/// which the step still acted, and the pod had begun.
fn expect_met(tried: &[At], within: &[At]) -> Result<()> {
    type Kind = fn(&At) -> bool;
    for (name, is_it) in [("trial restore", is_in_trial as Kind), ("migration", is_in_migration)] {
        let met = within.iter().filter(|at| is_it(at)).count();
        let all = tried.iter().filter(|at| is_it(at)).count();
        ensure!(all == 0 || met > 0, "none of {all} cuts met the {name}");
        printer::note(format!("{met} of {all} cuts met the {name}"));
    }
    Ok(())
}

fn is_in_trial(at: &At) -> bool {
    matches!(at.moment, Moment::InPod(TRIAL, _))
}

fn is_in_migration(at: &At) -> bool {
    at.step == MIGRATION && matches!(at.moment, Moment::After(_))
}

/// The ids of the upgrade's steps, in order.
fn steps(engineer: Engineer<'_>) -> Result<Vec<String>> {
    let plan = engineer.landfall(&["upgrade", NEXT, "--dry-run"])?.report("upgrade --dry-run")?;
    let steps = plan["plan"]["steps"].as_array().context("the plan has no steps")?;
    steps.iter().map(|step| step["id"].as_str().map(str::to_owned).context("a step has no id")).collect()
}

/// Those that bring content.
fn placing(steps: &[String]) -> Vec<String> {
    let is_it = |step: &&String| {
        ["stage", "registry-links", "runtime-configuration"].contains(&step.as_str())
            || step.starts_with("artifact-files/")
    };
    steps.iter().filter(is_it).cloned().collect()
}

/// Those that change the node and components, and prove them.
fn changing(steps: &[String]) -> Result<Vec<String>> {
    let begin = steps.iter().position(|step| step == "node-files").context("the upgrade leaves the node alone")?;
    let end = steps.iter().position(|step| step == "prove").context("the upgrade proves nothing")?;
    Ok(steps[begin..=end].to_vec())
}

/// Those of the database that have changed something when the broken release fails.
fn undone(steps: &[String]) -> Result<Vec<String>> {
    let begin = steps.iter().position(|step| step.starts_with("stop/")).context("the upgrade stops nothing")?;
    let end = steps.iter().position(|step| step.starts_with("start/")).context("the upgrade starts nothing")?;
    Ok(steps[begin..end].to_vec())
}

/// Instants in these steps, which each instant chooses by its number, at most so many milliseconds after their beginning.
fn of_kind<'a>(
    name: &str,
    steps: impl Fn(usize) -> &'a Vec<String>,
    longest: u64,
    moment: impl Fn(Duration) -> Moment,
) -> Result<Vec<At>> {
    let mut seeded = Seeded::named(&format!("upgrades: {name}"))?;
    let instant = |number| {
        let step = seeded.one_of(steps(number)).clone();
        At { step, moment: moment(Duration::from_millis(seeded.within(0, longest))) }
    };
    Ok((0..OF_EACH).map(instant).collect())
}

/// The data of a site: a digest of its rows, and a dump.
struct Data {
    rows: String,
    dump: String,
}

impl Data {
    fn of(engineer: Engineer<'_>) -> Result<Self> {
        Ok(Self { rows: rows(engineer)?, dump: dump(engineer)? })
    }
}

/// A site whose power is cut, and what it must come to.
struct Cuts<'a> {
    engineer: Engineer<'a>,
    /// What 1.0.0 leaves.
    first: ChangedSite,
    /// What an upgrade to 1.1.0 leaves that is not cut, where there was one.
    later: Option<ChangedSite>,
    /// Whether it was 1.1.0 since it started over: a rollback leaves the later release's content, and the data of what that has added.
    was_later: bool,
    /// The instants at which the step still acted.
    within: Vec<At>,
}

impl Cuts<'_> {
    /// From 1.0.0: it is 1.0.0 or 1.1.0 afterwards, which is returned.
    fn on_the_way(&mut self, at: &At) -> Result<String> {
        let data = self.write()?;
        let seen = cut_during(self.engineer, &["upgrade", NEXT], at)?;
        self.within.extend(seen.is_within.then(|| at.clone()));
        let version = ends_by_itself(self.engineer, at)?;
        self.expect(&version, &data).with_context(|| format!("after the cut at {at:?}"))?;
        Ok(version)
    }

    /// From 1.1.0, by a rollback that is cut: it is 1.0.0 afterwards, with the data that it had.
    fn roll_back_through(&mut self, at: &At) -> Result<()> {
        let data = Data::of(self.engineer)?;
        let name = self.engineer.machine().run("hostname")?.stdout;
        cut_during(self.engineer, &["rollback", "--data", "restore", "--confirm", name.trim()], at)?;
        let version = ends_by_itself(self.engineer, at)?;
        ensure!(version == "1.0.0", "{version} is installed after a rollback that was cut at {at:?}");
        self.expect(&version, &data).with_context(|| format!("after the cut at {at:?} of a rollback"))
    }

    /// From 1.0.0, to a release that fails and is undone: it is 1.0.0 afterwards.
    fn on_the_way_back(&mut self, at: &At) -> Result<()> {
        let data = self.write()?;
        cut_during(self.engineer, &["upgrade", BROKEN], at)?;
        let version = ends_by_itself(self.engineer, at)?;
        ensure!(version == "1.0.0", "{version} is installed after an undo that was cut at {at:?}");
        self.expect(&version, &data).with_context(|| format!("after the cut at {at:?} of an undo"))
    }

    /// Writes one row more; returns what is there then.
    fn write(&self) -> Result<Data> {
        another_row(self.engineer)?;
        Data::of(self.engineer)
    }

    /// Fails unless this version is installed, with this data, and with nothing else than the version leaves, as far as that is known.
    fn expect(&mut self, version: &str, data: &Data) -> Result<()> {
        expect(self.engineer, version, &data.rows)?;
        dump::expect_equal(&data.dump, &dump(self.engineer)?)?;
        self.was_later |= version == "1.1.0";
        match &self.later {
            Some(later) if version == "1.1.0" => later.expect_equal(self.engineer),
            Some(later) if self.was_later => self.first.expect_equal_after(later, self.engineer),
            None if self.was_later => Ok(()),
            _ => self.first.expect_equal(self.engineer),
        }
    }
}

/// Boots, and returns the version that is installed once nothing is open.
fn ends_by_itself(engineer: Engineer<'_>, at: &At) -> Result<String> {
    engineer.machine().boot()?;
    // While services still start: what is counted is how long the site waits for its change.
    let begun = Instant::now();
    let state = |wanted: &[&str]| -> Result<Option<String>> {
        let status = engineer.status()?;
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(["changing", "change-interrupted", "installed"].contains(&state), "the status is {state} after {at:?}");
        Ok(wanted.contains(&state).then(|| status["release"]["version"].as_str().unwrap_or_default().to_owned()))
    };
    let continued = format!("the continuation of the change that was cut at {at:?}");
    wait_until(&continued, CONTINUE_LIMIT, || state(&["changing", "installed"]))?;
    let seconds = begun.elapsed().as_secs();
    let version = wait_until(&format!("the end of the change that was cut at {at:?}"), SELF_LIMIT, || {
        std::thread::sleep(Duration::from_millis(500));
        state(&["installed"])
    })?;
    let ended = begun.elapsed().as_secs();
    printer::note(format!("cut at {at:?}: continued {seconds} s after the boot, ended after {ended} s as {version}"));
    Ok(version)
}

/// Writes the first rows.
pub(crate) fn write_rows(engineer: Engineer<'_>) -> Result<()> {
    sql(engineer.machine(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number").map(drop)
}

/// Writes one row more; returns a digest of all.
pub(crate) fn another_row(engineer: Engineer<'_>) -> Result<String> {
    sql(engineer.machine(), "INSERT INTO kept SELECT max(number) + 1 FROM kept")?;
    rows(engineer)
}

fn rows(engineer: Engineer<'_>) -> Result<String> {
    sql(engineer.machine(), "SELECT count(*) || ' ' || md5(string_agg(number::text, ' ' ORDER BY number)) FROM kept")
}

/// Fails unless this version is installed and ready, with its data and nothing else.
pub(crate) fn expect(engineer: Engineer<'_>, version: &str, wanted: &str) -> Result<()> {
    let table = if version == "1.1.0" { "schema_version" } else { "none" };
    expect_release(engineer, version)?;
    differences::expect_memory(engineer.machine(), differences::default_memory(version))?;
    let found = rows(engineer)?;
    ensure!(found == wanted, "the rows of {version} are {found}, not {wanted}");
    let found = schema(engineer)?;
    ensure!(found == table, "the schema of {version} has {found}, not {table}");
    let displaced = engineer.machine().run(DISPLACED)?.stdout;
    ensure!(displaced.is_empty(), "data is left aside: {displaced}");
    Ok(())
}
