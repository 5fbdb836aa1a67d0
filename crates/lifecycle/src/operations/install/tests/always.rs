//! Operations that no license and no clock stops, on a site whose cluster answers. They run up to their plan, or to the
//! first change of the cluster.

use jiff::SignedDuration;
use landfall_cluster::Edits;
use landfall_host::facts::sample::sample;
use landfall_host::site_time;
use landfall_host::site_time::{LicenseLock, machine_clocks};

use super::answering::give_cluster;
use super::clock::see;
use super::ended::{backup_of, changed_of_counter, codes_of, put_bundle, save, write_volume};
use super::licensed::license;
use super::*;
use crate::operations::upgrade::tests::upgrade;
use crate::operations::{RestoreRequest, UpgradeRequest};
use crate::plan::install::{InstallInputs, plan_install};
use landfall_site::backups::BackupFolder;
use landfall_site::findings::Finding;

/// Returns a bundle whose release also has a node. Without one, nothing that replaces a release can be planned.
fn with_node(vendor: &Vendor, counter: u64) -> Vec<u8> {
    changed_of_counter(vendor, counter, |document| {
        let node = serde_json::to_value(crate::plan::install::tests::release()).unwrap();
        for part in ["node_packs", "images", "artifacts"] {
            document[part] = node[part].clone();
        }
    })
}

/// Writes the journal of an install with all steps done, as planned for a usual host. Most of these steps need root.
fn install(site: &Fixture) {
    let mut prepared = site.prepared_install();
    let TrustedRelease { release, documents, .. } = &prepared.planned.release;
    let planned = plan_install(&InstallInputs {
        release,
        documents,
        facts: &sample(),
        configuration: &SiteConfiguration::default(),
        fitted: &ResolvedValues::new(),
        secrets: &BTreeMap::new(),
        adopted: &[],
    });
    prepared.planned.plan = planned.unwrap();
    let plan = prepared.planned.plan.plan.clone();
    let mut running = prepared.begin().unwrap();
    let done = plan.steps.iter().flat_map(|planned| {
        let step = || planned.id.clone();
        let (prepared, started) =
            (Recorded::Prepared { step: step(), before: json!(null) }, Recorded::Started { step: step() });
        [prepared, started, Recorded::Done { step: step(), output: json!(null) }]
    });
    for event in done.chain([Recorded::Committed]) {
        running.journal.append(event).unwrap();
    }
    let uuid = uuid::Uuid::from_u128(7).to_string();
    durable::write_file(&site.operations.paths.data_uuid(), uuid.as_bytes(), 0o600).unwrap();
}

/// Returns a licensed site that runs 1.4.0 and keeps 1.3.0, with a backup and a cluster that answers.
fn licensed_site(vendor: &Vendor) -> Fixture {
    let mut site = Fixture::with_bundle(vendor, &with_node(vendor, 3));
    site.license = Some(license(&site, vendor, "acme-1", |_| {}));
    install(&site);
    site.license = None;
    upgrade(&site, &with_node(vendor, 4));
    let rule = json!({
        "name": "rows", "workload": {"kind": "StatefulSet", "name": "reports"}, "volume": "data", "limit_seconds": 60,
        "save": ["dump"], "load": ["fill"], "marker": {"write": ["set", "%{marker}"], "read": ["get"]},
    });
    let stream = json!({
        "component": "reports", "namespace": "reports", "readySeconds": 60, "rule": rule, "word": "x", "workload": {},
    });
    let manifest = json!({"schema": 1, "release": "tiny", "version": "1.4.0", "streams": [stream]});
    let repository = BackupFolder::of(&site.operations.paths).open_or_create().unwrap();
    save(&repository, "1.4.0", vec![("LANDFALL/manifest.json", manifest.to_string().into_bytes())]);
    write_volume(&site);
    give_cluster(&site, "pvc-1_reports_data");
    site
}

/// Sets trusted time to this time, like a person who believes a wrong clock.
fn confirm(site: &Fixture, wall: Timestamp) {
    let paths = &site.operations.paths;
    let clocks = landfall_license::MachineClocks { wall, ..machine_clocks(paths) };
    site_time::confirm(paths, &LicenseLock::take(paths).unwrap(), &clocks).unwrap();
}

/// Name of a fault of a license or clock, the function that causes it, and the code that then refuses a newer release.
type Trouble = (&'static str, fn(&Fixture), &'static str);

/// Faults that accumulate in this order.
const TROUBLES: [Trouble; 5] = [
    ("trusted time is damaged", |site| damage(site, SitePaths::trusted_time, SitePaths::trusted_time_copy), ""),
    (
        "the license has ended",
        |site| confirm(site, Timestamp::now() + SignedDuration::from_hours(4 * 365 * 24)),
        "LF4703",
    ),
    ("the clock was set back by more than a century", |site| see(site, "2199-01-01T00:00:00Z"), "LF4703"),
    ("the license is damaged", |site| damage(site, SitePaths::license, SitePaths::license_copy), "LF4701"),
    ("the license is lost", |site| lose(site, SitePaths::license, SitePaths::license_copy), "LF4701"),
];

fn lose(site: &Fixture, file: fn(&SitePaths) -> PathBuf, copy: fn(&SitePaths) -> PathBuf) {
    for file in [file, copy] {
        durable::remove_file(&file(&site.operations.paths)).unwrap();
    }
}

/// Overwrites both copies of a document with invalid content.
fn damage(site: &Fixture, file: fn(&SitePaths) -> PathBuf, copy: fn(&SitePaths) -> PathBuf) {
    for file in [file, copy] {
        durable::write_file(&file(&site.operations.paths), b"{", 0o600).unwrap();
    }
}

/// Name of an operation, and the function that returns the codes that refuse it.
type Verb = (&'static str, fn(&Fixture) -> Vec<&'static str>);

const ALWAYS: [Verb; 5] = [
    ("rollback", |site| codes_of(site.operations.prepare_rollback(None, None, Edits::Refuse))),
    ("restore", |site| {
        let request = RestoreRequest { backup: Some(backup_of(site)), ..RestoreRequest::default() };
        codes_of(site.operations.prepare_restore(&request))
    }),
    ("export", |site| {
        let file = site.path("rows");
        let exported = site.operations.export_stream(Some(&backup_of(site)), "reports/rows", &file);
        durable::remove_file(&file).unwrap();
        codes_of(exported)
    }),
    ("backup", |site| codes_of(site.operations.back_up(false))),
    ("drill", |site| codes_of(site.operations.drill(Some(&backup_of(site))))),
];

fn outcomes(site: &Fixture) -> Vec<(&'static str, Vec<&'static str>)> {
    ALWAYS.iter().map(|(name, act)| (*name, act(site))).collect()
}

/// Returns the license's blockers of an upgrade to the release in the folder `later`, after complete planning. The
/// upgrade has other blockers as well, because this host is a folder.
fn license_blockers(site: &Fixture) -> Vec<Finding> {
    let later = site.path("later");
    match site.operations.prepare_upgrade(&UpgradeRequest::to(&later)).err().expect("this host is not ready") {
        OperationError::NotReady { blockers } => {
            blockers.into_iter().filter(|blocker| blocker.code.starts_with("LF47")).collect()
        }
        error => panic!("an upgrade is not planned: {error}"),
    }
}

/// A backup and a drill run until they write to the cluster, which rejects all writes.
#[test]
fn license_and_clock_block_only_upgrades() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let site = licensed_site(&vendor);
    put_bundle(&site, "later", &with_node(&vendor, 5));
    let contact = landfall_license::sample::terms("acme-1", Timestamp::now()).unwrap().contact;
    let before = outcomes(&site);
    let (planned, reached): (Vec<_>, Vec<_>) = before.iter().partition(|(_, codes)| codes.is_empty());
    assert_eq!(reached, [&("backup", vec!["LF4203"]), &("drill", vec!["LF4203"])]);
    assert_eq!(planned.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["rollback", "restore", "export"]);
    assert_eq!(license_blockers(&site), []);
    for (trouble, happens, of_upgrade) in TROUBLES {
        happens(&site);
        assert_eq!(outcomes(&site), before, "{trouble}");
        let blockers = license_blockers(&site);
        let codes: Vec<&str> = blockers.iter().map(Finding::code_id).collect();
        assert_eq!(codes.concat(), of_upgrade, "an upgrade, when {trouble}");
        let tells_whom_to_ask = |blocker: &Finding| blocker.fix.contains(&contact);
        assert!(of_upgrade != "LF4703" || blockers.iter().all(tells_whom_to_ask), "{blockers:?}, when {trouble}");
    }
}
