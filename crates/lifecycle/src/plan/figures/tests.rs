use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::{BlobEntry, LayerContents, Place};
use landfall_bundle_spec::chunks::BlobHasher;
use landfall_host::facts::sample::sample;
use landfall_host::facts::{Filesystem, Speeds};
use landfall_host::step_times::StepTime;

use std::collections::BTreeSet;

use super::*;
use crate::plan::install::tests::{documents, release};
use crate::plan::install::{InstallInputs, plan_install};
use landfall_site::configuration::SiteConfiguration;

const MIB: u64 = 1 << 20;

/// Plan, release and documents of a small release.
struct Case {
    plan: Plan<Action>,
    release: ReleaseDocument,
    documents: BTreeMap<String, Vec<u8>>,
    blobs: Vec<BlobEntry>,
}

impl Case {
    fn new() -> Self {
        Self::of(release())
    }

    fn of(release: ReleaseDocument) -> Self {
        let (documents, facts) = (documents(), sample());
        let configuration = SiteConfiguration::default();
        let inputs = InstallInputs {
            release: &release,
            documents: &documents,
            facts: &facts,
            configuration: &configuration,
            fitted: &BTreeMap::new(),
            secrets: &BTreeMap::new(),
            adopted: &[],
        };
        let plan = plan_install(&inputs).unwrap().plan;
        let blobs = blobs(&release);
        Self { plan, release, documents, blobs }
    }

    fn figures(&self, facts: &Facts) -> PlanFigures {
        let Self { plan, release, documents, blobs } = self;
        PlanFigures::of(&FiguresInputs { plan, release, documents, blobs, head_bytes: 5000, facts }).unwrap()
    }
}

/// Returns blobs with 1 MiB per layer, unpacked to 3 MiB in 10 files, and a program of 2 MiB.
fn blobs(release: &ReleaseDocument) -> Vec<BlobEntry> {
    let mut hasher = BlobHasher::new();
    hasher.update(b"program");
    let program = BlobEntry { size: 2 * MIB, place: Some(Place::Installer), ..BlobEntry::blob(&hasher.finish(), "x") };
    let digests: BTreeSet<Sha256> =
        release.images.iter().flat_map(|image| &image.layers).map(|layer| layer.digest).collect();
    let layers = digests.into_iter().map(|sha256| BlobEntry {
        sha256,
        size: MIB,
        place: None,
        layer: Some(LayerContents { diff_id: Sha256([1; 32]), unpacked_bytes: 3 * MIB, inodes: 10 }),
        ..program.clone()
    });
    std::iter::once(program.clone()).chain(layers).collect()
}

fn of_step<'a>(figures: &'a PlanFigures, id: &str) -> &'a StepFigures {
    figures.steps.iter().find(|step| step.id == id).unwrap()
}

#[test]
fn figures_of_usual_host_are_unchanged() {
    insta::assert_json_snapshot!(Case::new().figures(&sample()));
}

/// Times of the last install on this machine precede measured speeds. They are scaled if there is more to copy.
#[test]
fn measured_times_precede_speeds_and_reference() {
    let mut case = Case::new();
    let reference = case.figures(&Facts { speeds: None, ..sample() });
    assert!(reference.steps.iter().all(|step| step.basis == Basis::Reference));
    assert_eq!(of_step(&reference, "ready/dns").milliseconds, 15_000);
    let speeds = |write_bytes_per_second| {
        sample().speeds.map(|speeds| Speeds { write_bytes_per_second, hash_bytes_per_second: 50 * MIB, ..speeds })
    };
    case.plan.steps[0].bytes = 100 * MIB;
    for (rate, expected) in [(10 * MIB, 10_000), (200 * MIB, 2000)] {
        let stage = of_step(&case.figures(&Facts { speeds: speeds(rate), ..sample() }), "stage").clone();
        assert_eq!((stage.milliseconds, stage.basis), (expected, Basis::Speed), "the slower of writing and hashing");
    }
    let time = |milliseconds, bytes| StepTime { milliseconds, bytes };
    let step_times = BTreeMap::from([("stage".to_owned(), time(4000, 50 * MIB)), ("agent".to_owned(), time(777, 0))]);
    let measured = case.figures(&Facts { step_times, ..sample() });
    for (id, milliseconds) in [("stage", 8000), ("agent", 777)] {
        let step = of_step(&measured, id);
        assert_eq!((step.milliseconds, step.basis), (milliseconds, Basis::Measured), "{id}");
    }
    assert_eq!(measured.milliseconds, measured.steps.iter().map(|step| step.milliseconds).sum::<u64>());
}

#[test]
fn unpacking_counts_layers_twice_temporarily() {
    let case = Case::new();
    let figures = case.figures(&sample());
    // All images share their first layer.
    let layers = case.release.images.len() as u64 + 1;
    let unpacked = layers * (3 * MIB + 10 * 2048);
    assert_eq!(of_step(&figures, "node-images").written_bytes, unpacked);
    let staged = of_step(&figures, "stage").written_bytes;
    // The program is in the store and beside it; the head adds to that.
    assert_eq!(staged, (2 * MIB + 4096) + layers * (MIB + 4096) + 2 * MIB + 8192);
    let data = &figures.filesystems[0];
    let at = |id: &str| data.moments.iter().find(|moment| moment.step == id).unwrap();
    let on_disk = |bytes: u64| bytes.div_ceil(4096) * 4096;
    let first = on_disk(30_000_000) + on_disk(4_000_000);
    assert_eq!(at("node-images").peak_bytes - at("node-images").used_bytes, first, "one image at a time");
    assert!(data.peak_bytes >= data.final_bytes && data.final_bytes == data.moments.last().unwrap().used_bytes);
    assert!(data.moments.is_sorted_by_key(|moment| moment.used_bytes));
}

/// containerd's snapshots are of chains of layers.
#[test]
fn layer_in_another_chain_is_unpacked_again() {
    let with_a_shared_layer = |is_above_others: bool| {
        let mut release = release();
        let own = release.images[1].layers.pop().unwrap();
        let shared = release.images[0].layers.last().unwrap().clone();
        release.images[1].layers = if is_above_others { vec![own, shared] } else { vec![shared, own] };
        release.images[0].layers.rotate_right(1);
        let case = Case::of(release);
        of_step(&case.figures(&sample()), "node-images").written_bytes
    };
    assert_eq!(with_a_shared_layer(true) - with_a_shared_layer(false), 3 * MIB + 10 * 2048);
}

/// A database with several replicas writes its first files once per replica.
#[test]
fn replicas_claim_own_volumes() {
    let ready = |replicas: Option<u64>| {
        let mut case = Case::new();
        let objects = case.documents.get_mut("documents/objects/dns.json").unwrap();
        let mut listed: Vec<serde_json::Value> = serde_json::from_slice(objects).unwrap();
        let mut set = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "kube-system"},
            "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "log"}}]},
        });
        if let Some(replicas) = replicas {
            set["spec"]["replicas"] = replicas.into();
        }
        listed.push(set);
        *objects = serde_json::to_vec(&listed).unwrap();
        of_step(&case.figures(&sample()), "ready/dns").written_bytes
    };
    let volume = 32 * MIB;
    assert_eq!(ready(Some(3)) - ready(Some(0)), 3 * 2 * volume);
    assert_eq!(ready(None) - ready(Some(0)), 2 * volume, "one replica by default");
}

#[test]
fn filesystems_get_their_own_peaks() {
    let filesystem = |paths: &[&str]| Filesystem {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        ..sample().filesystems[0].clone()
    };
    let filesystems = vec![
        filesystem(&["/etc"]),
        filesystem(&["/usr/local/bin"]),
        filesystem(&["/var/log"]),
        filesystem(&["/var/lib/landfall"]),
    ];
    let figures = Case::new().figures(&Facts { filesystems, ..sample() });
    let peaks: Vec<(&str, bool)> = figures
        .filesystems
        .iter()
        .map(|filesystem| (filesystem.paths[0].as_str(), filesystem.peak_bytes > 100 * MIB))
        .collect();
    assert_eq!(peaks, [("/var/lib/landfall", true), ("/etc", false), ("/var/log", false)]);
}

#[test]
fn figures_name_point_of_no_return() {
    let mut case = Case::new();
    let figures = case.figures(&sample());
    assert_eq!(figures.point_of_no_return, None);
    assert_eq!(figures.objects, figures.steps.iter().map(|step| step.objects).sum::<usize>());
    assert!(of_step(&figures, "component/dns").objects > 0);
    case.plan.steps[3].undo = Undo::Irreversible;
    assert_eq!(case.figures(&sample()).point_of_no_return, Some(case.plan.steps[3].title.clone()));
}
