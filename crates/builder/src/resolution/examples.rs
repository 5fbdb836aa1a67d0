//! Tests of the examples in this repository, as far as they need neither network nor programs.

use std::path::{Path, PathBuf};

use super::requests_of_lock;
use super::wheels::WheelSet;
use crate::charts;
use crate::definition::Definition;
use crate::error::Place;
use crate::lock::set::SetKind;
use crate::lock::{Content, List, Lock};
use crate::options::SourceOptions;
use crate::reference::Reference;
use crate::release;

const EXAMPLES: [&str; 3] = ["charts", "models", "packages"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example(name: &str) -> (Definition, Lock) {
    let definition = release::read(&root().join("docs/examples").join(name)).expect(name);
    let lock = Lock::read(&definition.resolve(&definition.release.lock)).expect(name);
    (definition, lock)
}

/// The example with parts that the starter lacks.
const GPU: &str = "gpu";

/// Images in manifests below a folder, without those in templates.
fn named_images(folder: &Path) -> Vec<String> {
    let mut images = Vec::new();
    for entry in fs_err::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            images.extend(named_images(&path));
        } else {
            let text = fs_err::read_to_string(&path).expect("text");
            let named = text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("image: "));
            images.extend(named.filter(|image| !image.contains("{{")).map(str::to_owned));
        }
    }
    images
}

fn has(lock: &Lock, list: List, reference: &str) {
    let parsed: Reference = reference.parse().expect(reference);
    let found = lock.find(list, &parsed, Place::default());
    assert!(found.is_ok(), "{} has no {reference}: {:?}", lock.path.display(), found.err());
}

#[test]
fn example_locks_cover_definitions() {
    for name in EXAMPLES.into_iter().chain([GPU]) {
        let (definition, lock) = example(name);
        let release = &definition.release;
        for artifact in &release.artifacts {
            has(&lock, List::Artifacts, &artifact.reference.value);
        }
        for image in release.node_packs.iter().flat_map(|pack| pack.images.values()) {
            has(&lock, List::Images, &image.value);
        }
        let folders = release.components.iter().filter_map(|component| component.manifests.as_ref());
        let images: Vec<_> = folders.flat_map(|folder| named_images(&definition.resolve(&folder.value))).collect();
        assert!(images.len() >= 2, "{name}: {images:?}");
        for image in &images {
            has(&lock, List::Images, image);
        }
    }
}

/// A vendor who copies an example starts with the versions with which this Landfall is tested.
#[test]
fn examples_use_starter_versions() {
    let starter = Lock::read(&root().join("images.lock")).expect("lock");
    for name in EXAMPLES {
        let (_, lock) = example(name);
        for list in [List::Images, List::Artifacts] {
            let names = |lock: &Lock| -> Vec<String> {
                lock.list(list).iter().map(|entry| entry.reference.value.clone()).collect()
            };
            let known = names(&starter);
            let own = |reference: &String| reference.starts_with("example.internal/");
            let other: Vec<_> = names(&lock).into_iter().filter(|it| !own(it) && !known.contains(it)).collect();
            assert_eq!(other, Vec::<String>::new(), "{name}");
        }
    }
}

/// Besides the starter's versions, it only has parts from NVIDIA.
#[test]
fn gpu_example_adds_only_nvidia_parts() {
    let starter = Lock::read(&root().join("images.lock")).expect("lock");
    let (_, lock) = example(GPU);
    let names = |lock: &Lock, list| -> Vec<String> {
        lock.list(list).iter().map(|entry| entry.reference.value.clone()).collect()
    };
    let added = |list| -> Vec<String> {
        let known = names(&starter, list);
        names(&lock, list).into_iter().filter(|reference| !known.contains(reference)).collect()
    };
    let images = added(List::Images);
    assert!(images.len() == 2 && images.iter().all(|image| image.starts_with("nvcr.io/nvidia/k8s")), "{images:?}");
    assert_eq!(added(List::Artifacts), ["example.internal/nvidia-container-toolkit:1.20.0"]);
}

/// A number without a configuration would prevent the device plugin from starting.
#[test]
fn gpu_sharing_counts_have_configurations() {
    let (definition, _) = example(GPU);
    let value = definition.release.values.iter().find(|value| value.name.value == "gpu.replicas").expect("declared");
    let allowed: Vec<&str> =
        value.schema.value["enum"].as_array().expect("a list").iter().filter_map(serde_json::Value::as_str).collect();
    let settings = definition.resolve(Path::new("manifests/device-plugin/settings.yaml"));
    let objects = crate::render::parse(&fs_err::read_to_string(settings).expect("text")).expect("objects");
    let data = objects[0]["data"].as_object().expect("data");
    assert_eq!(data.keys().map(String::as_str).collect::<Vec<_>>(), allowed);
    for (number, text) in data {
        let settings = &crate::render::parse(text.as_str().expect("text")).expect("settings")[0];
        let shared = &settings["sharing"]["timeSlicing"]["resources"][0];
        let found = (shared["name"].as_str(), shared["replicas"].as_u64());
        let expected = if number == "1" { (None, None) } else { (Some("nvidia.com/gpu"), number.parse().ok()) };
        assert_eq!((&settings["version"], found), (&serde_json::json!("v1"), expected), "{number}");
    }
}

#[test]
fn example_chart_is_complete() {
    let (definition, _) = example("charts");
    let charts = definition.release.components.iter().filter_map(|component| component.chart());
    let folders: Vec<_> = charts.filter_map(|chart| chart.folder.as_ref()).collect();
    assert_eq!(folders.len(), 1);
    charts::open_folder(&definition.resolve(&folders[0].value)).expect("whole");
}

#[test]
fn example_requirements_can_be_pinned() {
    let (_, lock) = example("packages");
    let sets = lock.list(List::Artifacts).iter().filter_map(|entry| match &entry.content {
        Content::Set(set) => Some(set.as_ref()),
        _ => None,
    });
    let wanted: Vec<_> = sets
        .map(|set| {
            let SetKind::Wheels(source) = &set.kind else { panic!("a set of wheels") };
            let (wanted, faults) = WheelSet { fields: set, source }.wanted();
            assert!(faults.is_empty(), "{faults:?}");
            wanted.len()
        })
        .collect();
    assert_eq!(wanted, [2]);
}

#[test]
fn example_requests_are_listed() {
    let asked = |name: &str| -> Vec<String> {
        let source = SourceOptions { release: root().join("docs/examples").join(name), lock: None, registries: None };
        let found = requests_of_lock(&source).expect(name);
        found.into_iter().map(|request| request.upstream).collect()
    };
    let busybox = |address: &String| address.ends_with("/v2/library/busybox/manifests/1.37.0");
    assert!(asked("charts").iter().any(busybox), "{:?}", asked("charts"));
    let models = "https://huggingface.co/api/models/sentence-transformers/all-MiniLM-L6-v2/\
        revision/1110a243fdf4706b3f48f1d95db1a4f5529b4d41?blobs=true";
    assert!(asked("models").iter().any(|address| address == models), "{:?}", asked("models"));
    for package in ["numpy", "packaging"] {
        let page = format!("https://packages.example.com/simple/{package}/");
        assert!(asked("packages").contains(&page), "{:?}", asked("packages"));
    }
}
