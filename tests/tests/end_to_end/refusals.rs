//! Refusals on a machine, each with its own error code and exit code, and without any change.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_bundle_spec::sample::{Forgery, Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_xtask::printer;
use landfall_xtask::site::{Machine, MachineSpec, Site, wait_until};
use serde_json::{Value, json};

use super::damage::{Truncation, truncations};
use super::engineer::{Engineer, STICK};
use super::fixture::{fixture, folder};
use super::flips::flips_change_nothing;

/// Exit code of a refused bundle.
pub(crate) const REFUSED: i32 = 3;

/// Exit code of an unusable argument.
const USAGE: i32 = 2;

/// Exit code of a site that is not ready.
pub(crate) const NOT_READY: i32 = 4;

/// A stick with one folder per case. Files of the real bundle are links, so that nothing is copied.
pub(crate) struct Sticks {
    folder: PathBuf,
}

impl Sticks {
    fn new() -> Result<Self> {
        let folder = folder().join("refusals");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).context("cannot empty the folder of refused bundles")?;
        }
        std::fs::create_dir_all(&folder).context("cannot create the folder of refused bundles")?;
        let sticks = Self { folder };
        std::fs::hard_link(&fixture()?.landfall, sticks.folder.join("landfall")).context("cannot link landfall")?;
        Ok(sticks)
    }

    /// Creates a folder for a case.
    fn case(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// Creates a folder with the real bundle, and returns its parts.
    pub(crate) fn real(&self, name: &str) -> Result<Vec<PathBuf>> {
        let folder = self.case(name)?;
        let mut parts = Vec::new();
        for part in fixture()?.parts()? {
            let link = folder.join(part.file_name().context("a part has a name")?);
            std::fs::hard_link(&part, &link).with_context(|| format!("cannot link {}", part.display()))?;
            parts.push(link);
        }
        Ok(parts)
    }

    /// Creates a folder with a bundle of these bytes.
    fn bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.case(name)?.join("sample-1.0.0-000000000000.landfall"), bytes)
    }

    /// Removes the folder of a case, whose copies need space.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        std::fs::remove_dir_all(self.folder.join(name)).with_context(|| format!("cannot remove the case {name}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of the test")]
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "a file of the test")]
fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).with_context(|| format!("cannot rename {}", from.display()))
}

/// Changes a file of a case. If it is still a link to the intact file, a copy replaces it first.
pub(crate) fn change(path: &Path, edit: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata(path).with_context(|| format!("there is no {}", path.display()))?.nlink() > 1 {
        let copy = path.with_added_extension("copy");
        std::fs::copy(path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
        rename(&copy, path)?;
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    edit(&mut file).with_context(|| format!("cannot change {}", path.display()))
}

/// A bundle that must be refused: its folder on the stick, the trusted fingerprint, and the expected code.
#[derive(Clone)]
struct Case {
    folder: &'static str,
    trust: Option<String>,
    code: &'static str,
}

#[test]
#[ignore = "needs cargo xtask test"]
fn wrong_bundles_change_nothing() -> Result<()> {
    let sticks = Sticks::new()?;
    let cases = [wrong_trust(&sticks)?, wrong_heads(&sticks)?, wrong_parts(&sticks)?].concat();
    let (_site, machine) = machine_with(&sticks)?;
    let engineer = Engineer::at(&machine);
    for Case { folder, trust, code } in &cases {
        let bundle = format!("{STICK}/{folder}");
        let mut arguments = vec!["install", &bundle];
        arguments.extend(trust.iter().flat_map(|trust| ["--trust", trust]));
        let said = engineer.landfall(&arguments)?;
        // An invalid fingerprint is a typing error; it says nothing about the bundle.
        let exit = if *code == "LF1102" { USAGE } else { REFUSED };
        let failure = said.expect_refusal(&format!("install of {folder}"), code, exit)?;
        printer::note(format!("{folder}: {code}, {}", failure["what"].as_str().unwrap_or_default()));
        engineer.expect_unchanged(&format!("after refusing {folder}"), &[])?;
    }
    truncations_change_nothing(engineer, &sticks)?;
    flips_change_nothing(engineer, &sticks)?;
    damage_stops_staging(engineer, &sticks)
}

fn machine_with(sticks: &Sticks) -> Result<(Site, Machine)> {
    let site = Site::new(&Site::unique_name("e2e-refusals"))?;
    let machine = site.machine(MachineSpec::new("node-1").stick(&sticks.folder))?;
    machine.boot()?;
    Ok((site, machine))
}

/// Returns cases of the real bundle with wrong trust.
fn wrong_trust(sticks: &Sticks) -> Result<Vec<Case>> {
    let right = &fixture()?.fingerprint;
    let last = if right.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &right[..right.len() - 1]);
    let cases = [
        ("no-trust", None, "LF1101"),
        ("malformed-fingerprint", Some(right[..right.len() - 1].to_owned()), "LF1102"),
        ("wrong-fingerprint", Some(wrong), "LF1103"),
    ];
    let place = |(folder, trust, code)| sticks.real(folder).map(|_| Case { folder, trust, code });
    cases.into_iter().map(place).collect()
}

/// Returns cases of heads made by an attacker.
fn wrong_heads(sticks: &Sticks) -> Result<Vec<Case>> {
    let (vendor, stranger) = (Vendor::new(KeyKind::EcdsaP256)?, Vendor::new(KeyKind::EcdsaP256)?);
    let sample = Sample::tiny(&vendor)?;
    let whole = sample.stream();
    let forgery = Forgery::of(&sample);
    let signed = |edit: &dyn Fn(&mut Value)| -> Result<Vec<u8>> {
        Ok(forgery.clone().edit("landfall.json", |value| edit(value))?.sign(&vendor.key)?.stream())
    };
    let head = sample.head.bytes().len();
    let bundles: [(&str, Vec<u8>, &str); 8] = [
        ("unsigned", forgery.clone().without("signatures/").stream(), "LF1104"),
        ("another-key", forgery.clone().sign(&stranger.key)?.stream(), "LF1105"),
        ("another-vendor", Sample::tiny(&stranger)?.stream(), "LF1103"),
        ("unknown-format", signed(&|value| value["format"] = json!(2))?, "LF1003"),
        (
            "unknown-requirement",
            signed(&|value| value["requires"] = json!([{ "feature": "deltas", "landfall": "2.0.0" }]))?,
            "LF1004",
        ),
        ("cut-in-head", whole[..head / 2].to_vec(), "LF1001"),
        ("cut-at-first-header", whole[..512].to_vec(), "LF1001"),
        ("no-bundle", vec![7; 4096], "LF1002"),
    ];
    let trust = vendor.root.fingerprint().to_string();
    let place = |(folder, bytes, code): (&'static str, Vec<u8>, &'static str)| {
        sticks.bytes(folder, &bytes).map(|()| Case { folder, trust: Some(trust.clone()), code })
    };
    bundles.into_iter().map(place).collect()
}

/// Returns cases of the real bundle with missing, swapped, truncated or extended parts.
fn wrong_parts(sticks: &Sticks) -> Result<Vec<Case>> {
    let last = fixture()?.parts()?.len() - 1;
    ensure!(last >= 2, "the bundle has too few parts for these tests");
    std::fs::remove_file(&sticks.real("part-missing")?[1])?;
    std::fs::remove_file(&sticks.real("last-part-missing")?[last])?;

    let parts = sticks.real("parts-swapped")?;
    let aside = parts[1].with_added_extension("aside");
    rename(&parts[1], &aside)?;
    rename(&parts[2], &parts[1])?;
    rename(&aside, &parts[2])?;

    let parts = sticks.real("part-of-another-bundle")?;
    let other = Sample::with_blobs(&Vendor::new(KeyKind::EcdsaP256)?, vec![vec![9; 3 << 20]])?;
    std::fs::remove_file(&parts[1])?;
    write(&parts[1], &other.stream())?;

    let length = |path: &Path| -> Result<u64> { Ok(std::fs::metadata(path)?.len()) };
    let parts = sticks.real("last-part-cut")?;
    let kept = length(&parts[last])? - 70_000;
    change(&parts[last], |file| file.set_len(kept))?;
    let parts = sticks.real("middle-part-cut")?;
    let kept = length(&parts[1])? - 70_000;
    change(&parts[1], |file| file.set_len(kept))?;
    let parts = sticks.real("trailing-data")?;
    let grown = length(&parts[last])? + 512;
    change(&parts[last], |file| file.set_len(grown))?;

    let trust = Some(fixture()?.fingerprint.clone());
    let cases = [
        ("part-missing", "LF1206"),
        ("last-part-missing", "LF1206"),
        ("parts-swapped", "LF1216"),
        ("part-of-another-bundle", "LF1207"),
        ("last-part-cut", "LF1215"),
        ("middle-part-cut", "LF1215"),
        ("trailing-data", "LF1209"),
    ];
    Ok(cases.into_iter().map(|(folder, code)| Case { folder, trust: trust.clone(), code }).collect())
}

/// Number of truncations between two checks of the machine.
const TRUNCATIONS_PER_LOOK: usize = 5;

/// Truncates the real bundle to shorter and shorter lengths.
fn truncations_change_nothing(engineer: Engineer<'_>, sticks: &Sticks) -> Result<()> {
    let parts = sticks.real("truncated")?;
    let mut truncations = truncations(fixture()?.head_bytes, fixture()?.total_bytes)?;
    truncations.sort_by_key(|truncation| std::cmp::Reverse(truncation.length));
    let bundle = format!("{STICK}/truncated");
    for (number, Truncation { length, code }) in truncations.iter().enumerate() {
        truncate(&parts, *length)?;
        let said = engineer.landfall(&["install", &bundle, "--trust", &fixture()?.fingerprint])?;
        said.expect_refusal(&format!("install of the first {length} bytes"), code, REFUSED)?;
        if number % TRUNCATIONS_PER_LOOK == TRUNCATIONS_PER_LOOK - 1 {
            engineer.expect_unchanged(&format!("after refusing the first {length} bytes"), &[])?;
        }
    }
    engineer.expect_unchanged("after the shortest truncation", &[])?;
    printer::note(format!("truncated {} times, each refused with its own code, nothing changed", truncations.len()));
    sticks.remove("truncated")
}

/// Truncates the stream in the parts to this length, which is shorter than the current one.
fn truncate(parts: &[PathBuf], length: u64) -> Result<()> {
    let mut begin = 0;
    for part in parts {
        let Ok(found) = std::fs::metadata(part) else { break };
        let kept = length.saturating_sub(begin).min(found.len());
        begin += found.len();
        if kept == 0 {
            std::fs::remove_file(part).with_context(|| format!("cannot remove {}", part.display()))?;
        } else if kept < found.len() {
            change(part, |file| file.set_len(kept))?;
        }
    }
    Ok(())
}

/// Checks that a damaged chunk in the middle is found while staging, when only the data folder exists. Good data stays
/// for an undamaged stick.
fn damage_stops_staging(engineer: Engineer<'_>, sticks: &Sticks) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let parts = sticks.real("damaged")?;
    let middle = std::fs::metadata(&parts[1])?.len() / 2;
    let mut byte = [0];
    File::open(&parts[1])?.read_exact_at(&mut byte, middle)?;
    change(&parts[1], |file| file.write_all_at(&[byte[0] ^ 1], middle))?;
    let bundle = format!("{STICK}/damaged");
    let said = engineer.landfall(&["install", &bundle, "--trust", &fixture()?.fingerprint])?;
    let failure = said.expect_refusal("install of damaged", "LF1208", REFUSED)?;
    let next = failure["next"].as_str().context("the error has no next step")?;
    ensure!(
        next.contains("landfall resume") && next.contains("--bundle PATH"),
        "the next step does not name the way to continue: {next}"
    );
    engineer
        .expect_unchanged("after damage", &["/usr/local/bin/landfall", "/var/lib/landfall", "/var/log/landfall"])?;
    let staged = engineer.status()?["registry"]["stagedBlobs"].as_u64().context("status counts no blobs")?;
    ensure!(staged >= 5, "only {staged} good blobs were kept");
    let again = engineer.landfall(&["install", &bundle, "--trust", &fixture()?.fingerprint])?;
    again.expect_refusal("install once more", "LF4011", 5)?;
    the_engine_that_began_continues(engineer, &bundle)?;
    a_revoked_release_goes_no_further(engineer, sticks)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after damage and an uninstall", &["/var/log/landfall"])
}

/// A revocation reaches the site in a file: the unfinished install does not continue, even from a good stick.
fn a_revoked_release_goes_no_further(engineer: Engineer<'_>, sticks: &Sticks) -> Result<()> {
    let folder = sticks.case("revoked")?;
    sticks.real("good")?;
    fixture()?.revoke(&folder)?;
    let revocation = format!("{STICK}/revoked/revocation.json");
    let imported = engineer.landfall(&["trust", "import", &revocation])?.report("trust import")?;
    ensure!(imported["number"] == 1 && imported["releases"] == 1, "{imported}");
    let before = engineer.status()?["registry"]["stagedBlobs"].clone();
    let said = engineer.landfall(&["resume", "--bundle", &format!("{STICK}/good")])?;
    let failure = said.expect_refusal("resume of a revoked release", "LF1131", REFUSED)?;
    ensure!(failure.to_string().contains("it loses data"), "the reason is not named: {failure}");
    let after = engineer.status()?["registry"]["stagedBlobs"].clone();
    ensure!(before == after, "blobs of a revoked release were staged: {before}, then {after}");
    Ok(())
}

/// An operation belongs to the program that began it, which the site keeps. Another build hands over to that program,
/// and reports its result.
fn the_engine_that_began_continues(engineer: Engineer<'_>, bundle: &str) -> Result<()> {
    let kept = "continuing with /var/lib/landfall/engine/";
    let is_handed_over = |said: &super::engineer::Said| said.lines.iter().any(|line| line.contains(kept));
    let said = engineer.another_landfall(&["resume", "--bundle", bundle])?;
    ensure!(is_handed_over(&said), "nothing was handed over:\n{}", said.lines.join("\n"));
    said.expect_refusal("resume by another landfall", "LF1208", REFUSED)?;
    let said = engineer.landfall(&["resume", "--bundle", bundle])?;
    ensure!(!is_handed_over(&said), "the program that began handed over to itself");
    said.expect_refusal("resume by the same landfall", "LF1208", REFUSED)?;

    // If the pinned program is missing, no other program takes its place.
    let machine = engineer.machine();
    machine.run("mv /var/lib/landfall/engine /var/lib/landfall/engine-aside")?;
    engineer.another_landfall(&["resume", "--bundle", bundle])?.expect_refusal(
        "resume without the pinned program",
        "LF4010",
        2,
    )?;
    machine.run("mv /var/lib/landfall/engine-aside /var/lib/landfall/engine").map(drop)
}

/// Checks that all blockers are reported at once, and nothing is changed.
#[test]
#[ignore = "needs cargo xtask test"]
fn all_blockers_are_reported_at_once() -> Result<()> {
    let (_site, machine) = super::fixture::machine_with_stick("e2e-blockers")?;
    let engineer = Engineer::at(&machine);
    verbs_need_a_site(engineer)?;
    let plants = [
        "mkdir -p /etc/kubernetes/manifests && echo foreign > /etc/kubernetes/admin.conf",
        "systemd-socket-activate --listen=6443 /bin/true > /dev/null 2>&1 &",
    ];
    for plant in plants {
        machine.run(plant)?;
    }
    wait_until("a program that listens on port 6443", Duration::from_secs(10), || {
        Ok(machine.run("ss --no-header --listening --tcp sport = :6443")?.stdout.contains("6443").then_some(()))
    })?;
    let before = machine.snapshot()?;
    let trust = &fixture()?.fingerprint;
    for more in [&["--dry-run"][..], &[]] {
        let said = engineer.landfall(&[&["install", STICK, "--trust", trust], more].concat())?;
        let failure = said.expect_refusal("install", "LF3020", NOT_READY)?;
        for (code, found) in [("LF3011", "6443"), ("LF3012", "/etc/kubernetes")] {
            let blockers = failure["blockers"].as_array().context("the blockers are no list")?;
            let blocker = blockers.iter().find(|blocker| blocker["code"] == code);
            let blocker = blocker.with_context(|| format!("{code} is not reported: {failure}"))?;
            ensure!(
                blocker["why"].as_str().is_some_and(|why| why.contains(found)),
                "{found} is not reported: {blocker}"
            );
            ensure!(blocker["what"].is_string() && blocker["next"].is_string(), "{blocker}");
        }
        let difference = landfall_xtask::site::Difference::between(&before, &machine.snapshot()?);
        ensure!(difference.is_empty(), "a refused install changed something:\n{difference}");
    }
    Ok(())
}

/// Checks that verbs that change or back up a site are refused if there is none.
fn verbs_need_a_site(engineer: Engineer<'_>) -> Result<()> {
    let settings = "/root/site.yaml";
    engineer.machine().run(&format!("echo 'values: {{}}' > {settings}"))?;
    for verb in [&["configure", "--site", settings][..], &["upgrade", STICK], &["backup", "run"]] {
        engineer.landfall(verb)?.expect_refusal(&format!("{} without a site", verb.join(" ")), "LF4030", 4)?;
    }
    engineer.machine().run(&format!("rm {settings}")).map(drop)
}
