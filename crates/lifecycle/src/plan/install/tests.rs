use landfall_release_document::{ArtifactEntry, Descriptor, GPU_TOOLS, SignatureEntry, SignatureKind, referrers_tag};
use serde_json::{Value, json};

use super::*;
use landfall_host::facts::CgroupDriver;
use landfall_host::facts::sample::sample;
pub(crate) use landfall_site::testing::release;
use landfall_site::testing::{artifact, blob};

/// Returns the documents of the small release.
pub(crate) fn documents() -> BTreeMap<String, Vec<u8>> {
    let objects = json!([{
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "computed", "namespace": "kube-system"},
        "data": {"corefile": "", "flannel": ""},
    }]);
    BTreeMap::from([("documents/objects/dns.json".to_owned(), serde_json::to_vec(&objects).unwrap())])
}

pub(crate) fn plan_of(facts: &Facts, release: &ReleaseDocument) -> Result<InstallPlan, StepError> {
    let documents = documents();
    plan_install(&InstallInputs {
        release,
        documents: &documents,
        facts,
        configuration: &SiteConfiguration::default(),
        fitted: &ResolvedValues::new(),
        secrets: &BTreeMap::new(),
        adopted: &[],
    })
}

fn action(plan: &InstallPlan, id: &str) -> Option<Value> {
    let step = plan.plan.steps.iter().find(|step| step.id.0 == id)?;
    Some(serde_json::to_value(&step.action).unwrap())
}

/// Returns facts of a minimal host: cgroups v1, no default route, no nameserver, swap, no `CAP_SYS_RESOURCE`.
fn bare() -> Facts {
    let mut facts = sample();
    facts.cgroups.version = 1;
    facts.cgroups.driver = CgroupDriver::Cgroupfs;
    facts.lowers_oom_score = false;
    facts.network.default_route = None;
    facts.network.nameservers.clear();
    facts.swap_bytes = 1 << 30;
    facts.limits = BTreeMap::from([("fs.inotify.max_user_watches".to_owned(), 1_048_576)]);
    facts.modules = vec!["br_netfilter".to_owned()];
    facts.missing_modules = facts.modules.clone();
    facts
}

#[test]
fn install_steps_are_ordered() {
    let plan = plan_of(&sample(), &release()).unwrap();
    let lines: Vec<String> = plan
        .plan
        .steps
        .iter()
        .map(|step| format!("{}: {} ({} bytes, {} s)", step.id, step.title, step.bytes, step.seconds))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn plan_of_usual_host_is_unchanged() {
    insta::assert_json_snapshot!(plan_of(&sample(), &release()).unwrap().plan.steps);
}

#[test]
fn plan_of_bare_host_differs() {
    let (usual, bare) = (plan_of(&sample(), &release()).unwrap(), plan_of(&bare(), &release()).unwrap());
    let differing: BTreeMap<_, _> = bare
        .plan
        .steps
        .iter()
        .filter(|step| action(&usual, &step.id.0) != action(&bare, &step.id.0))
        .map(|step| (step.id.to_string(), action(&bare, &step.id.0)))
        .collect();
    insta::assert_json_snapshot!(differing);
}

#[test]
fn plan_round_trips_through_json() {
    let plan = plan_of(&bare(), &release()).unwrap().plan;
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan<Action>>(&text).unwrap(), plan);
}

#[test]
fn release_without_node_part_is_refused() {
    type Break = fn(&mut ReleaseDocument);
    let breaks: [(Break, &str); 6] = [
        (|release| release.node_packs.clear(), "the release lacks a node pack"),
        (
            |release| release.artifacts.retain(|artifact| artifact.name != "containerd"),
            "the release lacks the node artifact containerd",
        ),
        (
            |release| release.images.retain(|image| !image.reference.contains("pause")),
            "the release lacks the image registry.k8s.io/pause:3.10.2",
        ),
        (
            |release| drop(release.node_packs[0].images.remove(&NodeImage::Etcd)),
            "the release lacks an image that is Etcd",
        ),
        (
            |release| release.node_packs[0].kubernetes = "v1.35".to_owned(),
            "the node pack of v1.35 has an API server of v1.36.3",
        ),
        (
            |release| {
                for reference in release.node_packs[0]
                    .images
                    .values_mut()
                    .chain(release.images.iter_mut().map(|image| &mut image.reference))
                {
                    *reference = reference.replace("kube-proxy:v1.36.3", "kube-proxy:v1.36.4");
                }
            },
            "the image registry.k8s.io/kube-proxy:v1.36.4 should be registry.k8s.io/kube-proxy:v1.36.3",
        ),
    ];
    for (change, message) in breaks {
        let mut release = release();
        change(&mut release);
        assert_eq!(plan_of(&sample(), &release).unwrap_err().to_string(), message);
    }
}

#[test]
fn blobs_are_counted_once() {
    let plan = plan_of(&sample(), &release()).unwrap();
    let layers = 30_000_000 + 7 * 4_000_000 + 7 * (700 + 900);
    assert_eq!(plan.plan.steps[0].bytes, layers + 6 * 5_000_000 + 3 * (700 + 2));
}

#[test]
fn signatures_are_linked_beside_image() {
    let mut release = release();
    let (reference, subject) = (release.images[5].reference.clone(), release.images[5].manifest.clone());
    let before = staged_bytes(&release);
    let signature = |subject: &Descriptor, suffix: &str, byte: u8| SignatureEntry {
        image: reference.clone(),
        subject: subject.clone(),
        kind: SignatureKind::Signature,
        tag: Some(format!("{}{suffix}", referrers_tag(subject.digest))),
        manifest: blob(byte, 500),
        blobs: vec![blob(byte + 1, 200)],
        keys: Vec::new(),
        predicates: Vec::new(),
    };
    let index = blob(200, 1000);
    release.signatures = vec![signature(&subject, ".sig", 210), signature(&index, ".sig", 220)];
    let links = registry_links(&release);
    let added = &links[release.images.len() + release.artifacts.len()..];
    let found: Vec<_> = added.iter().map(|link| (link.tag.clone(), link.manifest.0[0], link.blobs.len())).collect();
    let tags = [&subject, &index].map(|subject| Some(format!("{}.sig", referrers_tag(subject.digest))));
    let [own, of_index] = tags;
    assert_eq!(found, [(own, 210, 1), (None, 200, 0), (of_index, 220, 1)]);
    assert!(added.iter().all(|link| link.repository == "registry.k8s.io/pause"), "{added:?}");
    assert_eq!(staged_bytes(&release) - before, 1000 + 2 * (500 + 200));
}

/// Only Landfall's own program may be executable in that place.
#[test]
fn only_landfalls_program_is_executable() {
    let executable = |kind: ArtifactKind, name: &str, reference: &str| {
        let mut release = release();
        let entry = artifact(name, kind, 130, &[("landfall-gpu", &[])]);
        release.artifacts = vec![ArtifactEntry { reference: reference.to_owned(), ..entry }];
        let steps = content_steps(&release);
        let files = steps.iter().find_map(|step| match &step.action {
            Action::ArtifactFiles(files) => Some(files.executable),
            _ => None,
        });
        files.unwrap()
    };
    let own = "landfall.internal/gpu:0.1.0-0123456789ab";
    assert!(executable(ArtifactKind::Files, "landfall-gpu", own));
    assert!(!executable(ArtifactKind::Files, "landfall-gpu", "example.org/landfall-gpu:1"));
    assert!(!executable(ArtifactKind::Files, "landfall-gpu", "landfall.internal/gpus:1"));
    assert!(!executable(ArtifactKind::Model, "landfall-gpu", own));
    assert!(!executable(ArtifactKind::Files, "other", own));
}

#[test]
fn gpus_need_nvidias_tools() {
    assert_eq!(GPU_TOOLS, [landfall_gpu_facts::cdi::GENERATOR, landfall_gpu_facts::cdi::HOOK]);
    let gpus = |files: &[(&str, &[&str])]| {
        let mut release = release();
        release.artifacts.push(artifact("gpu-tools", ArtifactKind::Node, 130, files));
        release.node_packs[0].artifacts.push("gpu-tools".to_owned());
        let plan = plan_of(&sample(), &release).unwrap();
        action(&plan, "runtime-configuration").unwrap()["gpus"].clone()
    };
    assert_eq!(gpus(&[("nvidia-ctk", &[]), ("nvidia-cdi-hook", &[])]), true);
    assert_eq!(gpus(&[("nvidia-ctk", &[])]), Value::Null, "one alone is of no use");
}
