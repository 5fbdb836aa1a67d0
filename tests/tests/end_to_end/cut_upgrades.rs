//! Power cuts at seeded instants of upgrades: while content is placed, during the backup and its drill, during changes,
//! and during the undo. The site ends automatically as exactly one of the two versions, with that version's objects,
//! images, files and data.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::sql;
use landfall_xtask::seed::SeededNumbers;
use landfall_xtask::site::wait_until;

use super::another_release::{expect_release, schema};
use super::changed_site::ChangedSite;
use super::cut::{CutPoint, Moment, cut_during};
use super::differences;
use super::dump::{self, dump};
use super::engineer::Engineer;
use super::installed::{installed_machine, start_over};
use super::later_releases::{BROKEN, NEXT, ensure_later_releases};

/// Number of instants of each kind. Backup and drill count as one kind.
const OF_EACH: usize = 6;

/// Number of backup instants that lie in the database's drill.
const OF_TRIAL: usize = 3;

/// Namespace of the database's drill.
const TRIAL: &str = "landfall-drill-postgres";

/// Step in which the database of the later release starts, and its job migrates the data.
const MIGRATION: &str = "ready/postgres";

/// Indexes of the change instants that lie in the migration for every seed.
const MIGRATING: [usize; 2] = [2, 4];

/// Time limit after the boot for an interrupted change to continue.
const CONTINUE_LIMIT: Duration = Duration::from_mins(1);

/// Time limit after the boot for it to end.
const SELF_LIMIT: Duration = Duration::from_mins(10);

/// Command that lists volumes that a change has moved or copied, none of which may remain.
const DISPLACED: &str = "ls /var/lib/landfall/storage | grep -E '^(before|unfinished)' || true";

/// Steps of a rollback that restores data.
const ROLLBACK: [&str; 7] = [
    "stop/postgres/postgres",
    "set-aside/postgres/database",
    "component/postgres",
    "stop-again/postgres/postgres",
    "load/postgres/database",
    "ready/postgres",
    "check-restored/postgres/database",
];

/// All instants of a seed.
struct Instants {
    /// Instants while content is copied from the media and placed.
    placing: Vec<CutPoint>,
    /// Instants during the backup and its drill.
    backup: Vec<CutPoint>,
    /// Instants during the database's drill.
    trial: Vec<CutPoint>,
    /// Instants while data is copied and migrated, and objects and the node change.
    change: Vec<CutPoint>,
    /// Instants while a failed release is undone.
    undo: Vec<CutPoint>,
    /// Instants in rollbacks that restore data, in steps that upgrades lack.
    rollback: Vec<CutPoint>,
}

impl Instants {
    /// Chooses the instants of the upgrade from 1.0.0 to 1.1.0, whose steps are given, and of one to a failing release.
    /// They do not depend on the number of instants that a test uses.
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

/// The instants that a test uses.
struct ChosenCuts {
    /// Instants in upgrades that are undone.
    undone: Vec<CutPoint>,
    /// Instants in upgrades that succeed.
    forward: Vec<CutPoint>,
    /// Instants in rollbacks after successful upgrades.
    rollbacks: Vec<CutPoint>,
}

// One of each kind for the part `interruptions`, which compares whole sites after the undo. The part `cuts` uses all
// instants, and compares after each.

#[test]
#[ignore = "needs cargo xtask test --full"]
fn an_instant_of_undo_and_content() -> Result<()> {
    upgrades_cut("e2e-undo-cut", None, |instants| ChosenCuts {
        undone: instants.undo[..1].to_vec(),
        forward: [&instants.placing, &instants.backup].map(|kind| kind[0].clone()).to_vec(),
        rollbacks: Vec::new(),
    })
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn an_instant_of_backup_and_change() -> Result<()> {
    upgrades_cut("e2e-change-cut", None, |instants| ChosenCuts {
        undone: Vec::new(),
        forward: [&instants.trial, &instants.change].map(|kind| kind[0].clone()).to_vec(),
        rollbacks: instants.rollback[..1].to_vec(),
    })
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn all_instants_of_undo_and_content() -> Result<()> {
    let later = upgraded_without_a_cut("e2e-upgrade-uncut")?;
    upgrades_cut("e2e-upgrade-all-cuts", Some(later), |instants| ChosenCuts {
        undone: instants.undo,
        forward: instants.placing,
        rollbacks: instants.rollback[..OF_EACH / 2].to_vec(),
    })
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn all_instants_of_backup_and_change() -> Result<()> {
    let later = upgraded_without_a_cut("e2e-other-uncut")?;
    upgrades_cut("e2e-upgrade-other-cuts", Some(later), |instants| ChosenCuts {
        undone: Vec::new(),
        forward: [instants.backup, instants.trial, instants.change].concat(),
        rollbacks: instants.rollback[OF_EACH / 2..].to_vec(),
    })
}

/// Returns the state of a site that was upgraded to 1.1.0 without a power cut.
fn upgraded_without_a_cut(site: &str) -> Result<ChangedSite> {
    ensure_later_releases()?;
    let (_site, machine) = installed_machine(site)?;
    let engineer = Engineer::at(&machine);
    engineer.landfall(&["upgrade", NEXT])?.report("upgrade")?;
    engineer.wait_ready("an upgrade")?;
    ChangedSite::read_settled(engineer)
}

/// Cuts the power at the chosen instants. `later` is the state of 1.1.0, if known.
fn upgrades_cut(site: &str, later: Option<ChangedSite>, choose: impl FnOnce(Instants) -> ChosenCuts) -> Result<()> {
    ensure_later_releases()?;
    let (_site, machine) = installed_machine(site)?;
    let engineer = Engineer::at(&machine);
    let ChosenCuts { undone, forward, mut rollbacks } = choose(Instants::of(&steps(engineer)?)?);
    let first = ChangedSite::read_settled(engineer)?;
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

/// Fails unless at least one cut hit the drill, and one the migration, if such cuts were tried. `within` are the
/// instants at which the step was still acting, and the pod had begun.
fn expect_met(tried: &[CutPoint], within: &[CutPoint]) -> Result<()> {
    type Kind = fn(&CutPoint) -> bool;
    for (name, is_it) in [("trial restore", is_in_trial as Kind), ("migration", is_in_migration)] {
        let met = within.iter().filter(|at| is_it(at)).count();
        let all = tried.iter().filter(|at| is_it(at)).count();
        ensure!(all == 0 || met > 0, "none of {all} cuts met the {name}");
        printer::note(format!("{met} of {all} cuts met the {name}"));
    }
    Ok(())
}

fn is_in_trial(at: &CutPoint) -> bool {
    matches!(at.moment, Moment::InPod(TRIAL, _))
}

fn is_in_migration(at: &CutPoint) -> bool {
    at.step == MIGRATION && matches!(at.moment, Moment::After(_))
}

/// Returns the IDs of the upgrade's steps, in order.
fn steps(engineer: Engineer<'_>) -> Result<Vec<String>> {
    let plan = engineer.landfall(&["upgrade", NEXT, "--dry-run"])?.report("upgrade --dry-run")?;
    let steps = plan["plan"]["steps"].as_array().context("the plan has no steps")?;
    steps.iter().map(|step| step["id"].as_str().map(str::to_owned).context("a step has no id")).collect()
}

/// Returns the steps that place content.
fn placing(steps: &[String]) -> Vec<String> {
    let is_it = |step: &&String| {
        ["stage", "registry-links", "runtime-configuration"].contains(&step.as_str())
            || step.starts_with("artifact-files/")
    };
    steps.iter().filter(is_it).cloned().collect()
}

/// Returns the steps that change the node and components, and prove them.
fn changing(steps: &[String]) -> Result<Vec<String>> {
    let begin = steps.iter().position(|step| step == "node-files").context("the upgrade leaves the node alone")?;
    let end = steps.iter().position(|step| step == "prove").context("the upgrade proves nothing")?;
    Ok(steps[begin..=end].to_vec())
}

/// Returns the database's steps that have changed something when the broken release fails.
fn undone(steps: &[String]) -> Result<Vec<String>> {
    let begin = steps.iter().position(|step| step.starts_with("stop/")).context("the upgrade stops nothing")?;
    let end = steps.iter().position(|step| step.starts_with("start/")).context("the upgrade starts nothing")?;
    Ok(steps[begin..end].to_vec())
}

/// Returns instants in these steps. The number of an instant selects its steps, and it lies at most this many
/// milliseconds after a step's beginning.
fn of_kind<'a>(
    name: &str,
    steps: impl Fn(usize) -> &'a Vec<String>,
    longest: u64,
    moment: impl Fn(Duration) -> Moment,
) -> Result<Vec<CutPoint>> {
    let mut seeded = SeededNumbers::with_name(&format!("upgrades: {name}"))?;
    let instant = |number| {
        let step = seeded.one_of(steps(number)).clone();
        CutPoint { step, moment: moment(Duration::from_millis(seeded.within(0, longest))) }
    };
    Ok((0..OF_EACH).map(instant).collect())
}

/// Data of a site: a digest of its rows, and a dump.
struct Data {
    rows: String,
    dump: String,
}

impl Data {
    fn of(engineer: Engineer<'_>) -> Result<Self> {
        Ok(Self { rows: rows(engineer)?, dump: dump(engineer)? })
    }
}

/// A site whose power is cut, with its expected states.
struct Cuts<'a> {
    engineer: Engineer<'a>,
    /// State that 1.0.0 leaves.
    first: ChangedSite,
    /// State that an uninterrupted upgrade to 1.1.0 leaves, if there was one.
    later: Option<ChangedSite>,
    /// True if the site was 1.1.0 since it started over. A rollback leaves the later release's content, and the data of
    /// components that it added.
    was_later: bool,
    /// Instants at which the step was still acting.
    within: Vec<CutPoint>,
}

impl Cuts<'_> {
    /// Cuts an upgrade from 1.0.0. Returns the resulting version, either 1.0.0 or 1.1.0.
    fn on_the_way(&mut self, at: &CutPoint) -> Result<String> {
        let data = self.write()?;
        let seen = cut_during(self.engineer, &["upgrade", NEXT], at)?;
        self.within.extend(seen.is_within.then(|| at.clone()));
        let version = ends_by_itself(self.engineer, at)?;
        self.expect(&version, &data).with_context(|| format!("after the cut at {at:?}"))?;
        Ok(version)
    }

    /// Cuts a rollback from 1.1.0. The site is 1.0.0 afterwards, with its earlier data.
    fn roll_back_through(&mut self, at: &CutPoint) -> Result<()> {
        let data = Data::of(self.engineer)?;
        let name = self.engineer.machine().run("hostname")?.stdout;
        cut_during(self.engineer, &["rollback", "--data", "restore", "--confirm", name.trim()], at)?;
        let version = ends_by_itself(self.engineer, at)?;
        ensure!(version == "1.0.0", "{version} is installed after a rollback that was cut at {at:?}");
        self.expect(&version, &data).with_context(|| format!("after the cut at {at:?} of a rollback"))
    }

    /// Cuts an upgrade from 1.0.0 to a release that fails and is undone. The site is 1.0.0 afterwards.
    fn on_the_way_back(&mut self, at: &CutPoint) -> Result<()> {
        let data = self.write()?;
        cut_during(self.engineer, &["upgrade", BROKEN], at)?;
        let version = ends_by_itself(self.engineer, at)?;
        ensure!(version == "1.0.0", "{version} is installed after an undo that was cut at {at:?}");
        self.expect(&version, &data).with_context(|| format!("after the cut at {at:?} of an undo"))
    }

    /// Writes one more row. Returns the data afterwards.
    fn write(&self) -> Result<Data> {
        another_row(self.engineer)?;
        Data::of(self.engineer)
    }

    /// Fails unless this version is installed with this data, and with nothing beyond the state that the version
    /// leaves, if that is known.
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

/// Boots, and returns the installed version once no operation is open.
fn ends_by_itself(engineer: Engineer<'_>, at: &CutPoint) -> Result<String> {
    engineer.machine().boot()?;
    // Services may still be starting: the measured time is the delay until the site continues its change.
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

/// Writes one more row. Returns a digest of all rows.
pub(crate) fn another_row(engineer: Engineer<'_>) -> Result<String> {
    sql(engineer.machine(), "INSERT INTO kept SELECT max(number) + 1 FROM kept")?;
    rows(engineer)
}

fn rows(engineer: Engineer<'_>) -> Result<String> {
    sql(engineer.machine(), "SELECT count(*) || ' ' || md5(string_agg(number::text, ' ' ORDER BY number)) FROM kept")
}

/// Fails unless this version is installed and ready, with exactly its data.
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
