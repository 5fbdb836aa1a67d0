use landfall_release_document::{ComponentEntry, GpuRequirements, MigStrategy, SiteValue, ValueTarget};
use serde_json::{Value, json};

use super::*;
use crate::plan::install::tests::{documents, release};

fn report(machine: &str) -> GpuReport {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines");
    GpuReport::read(&fs_err::read(format!("{folder}/{machine}.json")).unwrap()).unwrap()
}

const STRATEGY: &str = "gpu.migStrategy";
const REPLICAS: &str = "gpu.replicas";

fn value(name: &str, allowed: &Value, default: Value, path: &str) -> SiteValue {
    let (component, kind) = ("inference".to_owned(), "Deployment".to_owned());
    let target = ValueTarget { component, kind, name: "vllm".to_owned(), path: path.to_owned() };
    SiteValue {
        name: name.to_owned(),
        schema: json!({ "enum": allowed }),
        default: Some(default),
        targets: vec![target],
    }
}

/// Returns a release with `pods` pods that request `each` devices of a resource, and its documents.
fn asking(resource: &str, each: u64, pods: u64) -> (ReleaseDocument, BTreeMap<String, Vec<u8>>) {
    let (mut release, mut documents) = (release(), documents());
    let objects = "documents/objects/inference.json".to_owned();
    let component =
        ComponentEntry { name: "inference".to_owned(), objects: objects.clone(), ..release.components[0].clone() };
    release.components.push(component);
    release.values.extend([
        value(STRATEGY, &json!(["none", "single", "mixed"]), json!("none"), "/metadata/labels/strategy"),
        value(REPLICAS, &json!(["1", "4"]), json!("1"), "/metadata/labels/replicas"),
    ]);
    let plugin = GpuPlugin { mig_strategy: Some(STRATEGY.to_owned()), replicas: Some(REPLICAS.to_owned()) };
    release.requirements.gpus = Some(GpuRequirements {
        count: 1,
        memory_bytes: None,
        compute_capability: None,
        driver: None,
        mig: None,
        plugin: Some(plugin),
    });
    let container = json!({"name": "vllm", "resources": {"limits": {resource: each.to_string()}}});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "vllm", "namespace": "inference", "labels": {"strategy": "", "replicas": ""}},
        "spec": {"replicas": pods, "strategy": {"type": "Recreate"}, "template": {"spec": {"containers": [container]}}},
    });
    documents.insert(objects, serde_json::to_vec(&json!([deployment])).unwrap());
    (release, documents)
}

fn site(set: &[(&str, &str)]) -> SiteConfiguration {
    let values = set.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    SiteConfiguration { values, ..SiteConfiguration::default() }
}

/// Returns severity, code and reason of each finding.
fn finding_texts(machine: &str, resource: &str, (each, pods): (u64, u64), set: &[(&str, &str)]) -> Vec<String> {
    let (release, documents) = asking(resource, each, pods);
    let (report, configuration, fitted) = (report(machine), site(set), ResolvedValues::new());
    let inputs =
        GpuResourceInputs { release: &release, gpus: Some(&report), configuration: &configuration, fitted: &fitted };
    let found = findings(&inputs, |name| documents.get(name).map(Vec::as_slice));
    found.iter().map(|one| format!("{:?} {} {}", one.severity, one.code, one.why())).collect()
}

fn offer(machine: &str, strategy: MigStrategy, replicas: u64) -> Result<String, String> {
    let offered = offered_devices(&report(machine), Offer { strategy, replicas });
    offered.map(|offered| offer_text(&offered)).map_err(|fault| fault.to_string())
}

#[test]
fn strategies_offer_like_nvidias_plugin() {
    use MigStrategy::{Mixed, None as Whole, Single};
    let offers = |machine: &str| [Whole, Single, Mixed].map(|strategy| offer(machine, strategy, 1).unwrap());
    assert_eq!(offers("two-l4"), ["2 of nvidia.com/gpu"; 3], "without MIG, the strategies are the same");
    assert_eq!(offers("a100-mig"), ["1 of nvidia.com/gpu", "3 of nvidia.com/gpu", "3 of nvidia.com/mig-1g.5gb"]);
    assert_eq!(offers("lost"), ["1 of nvidia.com/gpu"; 3], "what does not answer is not offered");
    assert_eq!(offers("none"), ["nothing"; 3]);
    assert_eq!(offer("two-l4", Whole, 4).unwrap(), "8 of nvidia.com/gpu");
    assert_eq!(offer("a100-mig", Mixed, 4).unwrap(), "3 of nvidia.com/mig-1g.5gb", "only whole GPUs are shared");
}

#[test]
fn unequal_divisions_lack_single_name() {
    let text =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines/a100-mig.json"))
            .unwrap();
    let of = |text: &str, strategy| {
        let report = GpuReport::read(text.as_bytes()).unwrap();
        let offered = offered_devices(&report, Offer { strategy, replicas: 1 });
        offered.map(|offered| offer_text(&offered)).map_err(|fault| fault.to_string())
    };
    let unequal = text.replacen("MIG 1g.5gb", "MIG 3g.20gb", 1);
    assert_eq!(of(&unequal, MigStrategy::Single), Err("the MIG devices have the profiles 1g.5gb, 3g.20gb".to_owned()));
    let listed = "2 of nvidia.com/mig-1g.5gb, 1 of nvidia.com/mig-3g.20gb";
    assert_eq!(of(&unequal, MigStrategy::Mixed).as_deref(), Ok(listed));
    let with_media = text.replacen("MIG 1g.5gb", "MIG 1g.5gb+me", 1);
    assert!(of(&with_media, MigStrategy::Mixed).unwrap().ends_with("1 of nvidia.com/mig-1g.5gb.me"));
    let of_a_part = text.replace("MIG 1g.5gb", "MIG 1c.2g.10gb");
    assert_eq!(of(&of_a_part, MigStrategy::Mixed).as_deref(), Ok("nothing"));
}

#[test]
fn too_few_gpus_block() {
    const GPU: &str = GPU_RESOURCE;
    let vllm = "for inference: Deployment/vllm";
    assert_eq!(
        finding_texts("two-l4", GPU, (1, 2), &[]),
        [format!("Passed LF3072 2 of {GPU}; needed: 2 of {GPU}, {vllm}")]
    );
    assert_eq!(
        finding_texts("two-l4", GPU, (1, 3), &[]),
        [format!("Blocker LF3072 2 of {GPU}; needed: 3 of {GPU}, {vllm}")]
    );
    assert_eq!(finding_texts("two-l4", GPU, (1, 3), &[(REPLICAS, "4")]).len(), 1);
    assert!(
        finding_texts("two-l4", GPU, (1, 3), &[(REPLICAS, "4")])[0].starts_with("Passed "),
        "each is shared by four"
    );
    let twice = finding_texts("two-l4", GPU, (2, 1), &[(REPLICAS, "4")]);
    assert_eq!(
        twice,
        [format!(
            "Blocker LF3075 a container asks for 2 of {GPU}, which 4 containers share; needed: 1 for each container"
        )]
    );
    assert!(finding_texts("two-l4", GPU, (2, 1), &[])[0].starts_with("Passed "));
    assert_eq!(
        finding_texts("a100-mig", GPU, (1, 1), &[(STRATEGY, "mixed")]),
        [format!("Blocker LF3072 0 of {GPU}; needed: 1 of {GPU}, {vllm}")]
    );
}

/// The new pod would wait for the GPU of the earlier one, which stays until the new one is ready.
#[test]
fn update_needing_extra_gpu_warns() {
    let (release, mut documents) = asking(GPU_RESOURCE, 1, 2);
    let objects = documents.get_mut("documents/objects/inference.json").unwrap();
    *objects = String::from_utf8(objects.clone()).unwrap().replace("Recreate", "RollingUpdate").into_bytes();
    let (report, fitted) = (report("two-l4"), ResolvedValues::new());
    let judged = |configuration: &SiteConfiguration| {
        let inputs = GpuResourceInputs { release: &release, gpus: Some(&report), configuration, fitted: &fitted };
        let found = findings(&inputs, |name| documents.get(name).map(Vec::as_slice));
        found.iter().map(|one| format!("{:?} {}", one.severity, one.why())).collect::<Vec<_>>()
    };
    let crowded = "2 of nvidia.com/gpu, 2 in use: an update starts pods with 1 more before it ends others";
    let found = judged(&site(&[]));
    assert_eq!((found.len(), found[0].as_str()), (2, format!("Warning {crowded}").as_str()), "{found:?}");
    assert!(found[1].starts_with("Passed "), "{found:?}");
    assert_eq!(judged(&site(&[(REPLICAS, "4")])).len(), 1, "shared GPUs have room");
}

#[test]
fn mig_names_depend_on_strategy() {
    let part = "nvidia.com/mig-1g.5gb";
    assert!(finding_texts("a100-mig", part, (1, 3), &[(STRATEGY, "mixed")])[0].starts_with("Passed "));
    assert!(finding_texts("a100-mig", part, (1, 4), &[(STRATEGY, "mixed")])[0].starts_with("Blocker LF3072 "));
    let offered = "offered with the MIG strategy none: 1 of nvidia.com/gpu";
    assert_eq!(
        finding_texts("a100-mig", part, (1, 1), &[]),
        [format!("Blocker LF3073 {offered}; needed: 1 of {part}, for inference: Deployment/vllm")]
    );
    assert!(finding_texts("a100-mig", "nvidia.com/mig-2g.10gb", (1, 1), &[(STRATEGY, "mixed")])[0].contains("LF3073"));
    assert!(finding_texts("a100-mig", GPU_RESOURCE, (1, 3), &[(STRATEGY, "single")])[0].starts_with("Passed "));
}

#[test]
fn uncountable_gpus_are_not_judged() {
    for machine in ["none", "no-driver", "hangs", "denied"] {
        assert_eq!(finding_texts(machine, GPU_RESOURCE, (1, 1), &[]), Vec::<String>::new(), "{machine}");
    }
    let (mut release, documents) = asking(GPU_RESOURCE, 1, 1);
    release.requirements.gpus = None;
    let (report, configuration, fitted) = (report("no-driver"), site(&[]), ResolvedValues::new());
    let inputs =
        GpuResourceInputs { release: &release, gpus: Some(&report), configuration: &configuration, fitted: &fitted };
    let document = |name: &str| documents.get(name).map(Vec::as_slice);
    let undeclared = findings(&inputs, document);
    assert_eq!((undeclared.len(), undeclared[0].code_id()), (1, "LF3072"), "an older build did not refuse it");
    let without = crate::plan::install::tests::release();
    let document = |name: &str| documents.get(name).map(Vec::as_slice);
    assert_eq!(findings(&GpuResourceInputs { release: &without, ..inputs }, document), []);
}

/// The plugin may offer MIG devices or share GPUs in a way that the older release does not declare.
#[test]
fn release_without_plugin_is_not_judged() {
    for (machine, resource, pods) in [("a100-mig", "nvidia.com/mig-1g.5gb", 3), ("two-l4", GPU_RESOURCE, 8)] {
        let (mut release, documents) = asking(resource, 1, pods);
        let (report, configuration, fitted) = (report(machine), site(&[]), ResolvedValues::new());
        let found = |release: &ReleaseDocument| {
            let gpus = Some(&report);
            let inputs = GpuResourceInputs { release, gpus, configuration: &configuration, fitted: &fitted };
            findings(&inputs, |name| documents.get(name).map(Vec::as_slice))
        };
        assert!(found(&release)[0].is_blocker(), "{machine}");
        release.requirements.gpus.as_mut().unwrap().plugin = None;
        assert_eq!(found(&release), [], "{machine}");
        release.requirements.gpus = None;
        assert_eq!(found(&release), [], "{machine}");
    }
}

#[test]
fn gpu_offer_settings_are_recognized() {
    let (release, _) = asking(GPU_RESOURCE, 1, 1);
    let is_changed = |set: &[(&str, &str)]| super::is_changed(&release, &site(&[]), &site(set));
    assert!(is_changed(&[(REPLICAS, "4")]) && is_changed(&[(STRATEGY, "mixed")]));
    assert!(!is_changed(&[]) && !is_changed(&[("other.value", "1")]));
}
