//! The host's GPUs, the processes that use them, and their faults. Never makes a site unready: the components show what
//! a release needs of them.

use std::collections::BTreeMap;

use landfall_documents::status::{GpuHolder, GpuStatus, GpusStatus, SiteState, StatusReport};
use landfall_error_codes::{Code, codes};
use landfall_gpu_facts::cdi::{HOOK, Specification};
use landfall_gpu_facts::judge::{Warning, driver_version, warnings};
use landfall_gpu_facts::nvml::{Gpu, GpuEntry, GpuProcess};
use landfall_gpu_facts::{GpuReport, HostState, Needs, NvmlState, host_state};
use landfall_host::facts::ProbedGpus;
use landfall_host::paths::SitePaths;
use landfall_release_document::{GPU_RESOURCES, ReleaseDocument};
use serde_json::Value;
use uuid::Uuid;

use crate::plan::gpu_resources::offer::{Offer, offered_devices};
use crate::plan::gpu_resources::offer_text;
use crate::preflight::problem_of_gpu;
use landfall_site::configuration::SiteConfiguration;

/// Returns the findings about GPUs; `None` for a host without an NVIDIA GPU.
pub(super) fn gpus_status(probed: &ProbedGpus) -> Option<GpusStatus> {
    let ProbedGpus { report, at, age } = probed;
    let state = host_state(report, &Needs::default());
    if matches!(state, HostState::NoGpu | HostState::OtherVendor | HostState::SystemOnChip(_)) {
        return None;
    }
    let reason = state.code().map(|code| format!("[{}] {}. {}", code.id, code.title, code.fix));
    let warnings = warnings(report);
    let devices = match &report.nvml {
        NvmlState::Read(facts) => facts.gpus.iter().map(|entry| gpu_status(entry, &warnings)).collect(),
        _ => Vec::new(),
    };
    let driver = driver_version(report).map(ToString::to_string);
    let (offered, differences) = (BTreeMap::new(), Vec::new());
    Some(GpusStatus { driver, reason, devices, offered, differences, as_of: at.clone(), age_seconds: age.as_secs() })
}

/// Adds the GPU resources that nodes offer to pods.
pub(super) fn see_nodes(gpus: &mut GpusStatus, nodes: &[Value]) {
    let allocatable = nodes.iter().filter_map(|node| node.pointer("/status/allocatable")?.as_object()).flatten();
    for (name, amount) in allocatable.filter(|(name, _)| name.starts_with(GPU_RESOURCES)) {
        let count: Option<u64> = amount.as_str().and_then(|amount| amount.parse().ok());
        if let Some(count) = count.filter(|count| *count > 0) {
            *gpus.offered.entry(name.clone()).or_default() += count;
        }
    }
}

/// Compares the driver's report with the offered resources and with the specification by which containers get GPUs.
/// For a release whose device plugin offers them.
fn compare(gpus: &mut GpusStatus, report: &GpuReport, offer: Offer, paths: &SitePaths) {
    if !matches!(report.nvml, NvmlState::Read(_)) {
        return;
    }
    let difference = |code: Code, what: String| format!("[{}] {}: {what}. {}", code.id, code.title, code.fix);
    let found = match offered_devices(report, offer) {
        Err(fault) => Some(fault.to_string()),
        Ok(expected) if expected != gpus.offered => {
            Some(format!("it offers {}, not {}", offer_text(&gpus.offered), offer_text(&expected)))
        }
        Ok(_) => None,
    };
    gpus.differences.extend(found.map(|what| difference(codes::GPU_OFFER_DIFFERS, what)));
    let lacking = lacking(report, paths).map(|what| difference(codes::GPU_SPECIFICATION, what));
    gpus.differences.extend(lacking);
}

/// Names the pods of the processes that hold GPUs. A process may end in the meantime.
pub(super) fn name_pods(gpus: &mut GpusStatus, pods: &[Value], paths: &SitePaths) {
    let text = |pod: &Value, pointer: &str| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let named = pods.iter().filter_map(|pod| {
        let name = format!("{}/{}", text(pod, "/metadata/namespace")?, text(pod, "/metadata/name")?);
        Some((text(pod, "/metadata/uid")?, name))
    });
    let named: BTreeMap<String, String> = named.collect();
    for holder in gpus.devices.iter_mut().flat_map(|device| &mut device.holders) {
        let groups = fs_err::read_to_string(paths.host(format!("/proc/{}/cgroup", holder.pid))).unwrap_or_default();
        holder.pod = pod_in(&groups).and_then(|uid| named.get(&uid).cloned());
    }
}

/// Compares the GPUs that the node offers with the driver's report, if an installed release offers them and the
/// cluster answers.
pub(super) fn compare_gpus(
    report: &mut StatusReport,
    probed: &ProbedGpus,
    release: &ReleaseDocument,
    settings: &SiteConfiguration,
    paths: &SitePaths,
) {
    let is_offered = release.requirements.gpu_plugin().is_some();
    let is_known = report.state == SiteState::Installed && !report.nodes.is_empty();
    if let Some(gpus) = report.gpus.as_mut().filter(|_| is_offered && is_known) {
        compare(gpus, &probed.report, Offer::of(release, settings), paths);
    }
}

fn gpu_status(entry: &GpuEntry, warnings: &[(u32, Warning)]) -> GpuStatus {
    match entry {
        GpuEntry::Answers(gpu) => answering_gpu(gpu, warnings),
        GpuEntry::Fails(failed) => GpuStatus {
            index: failed.index,
            model: None,
            total_bytes: None,
            used_bytes: None,
            parts: Vec::new(),
            holders: Vec::new(),
            problems: vec!["does not answer".to_owned()],
        },
    }
}

fn answering_gpu(gpu: &Gpu, warnings: &[(u32, Warning)]) -> GpuStatus {
    // Memory in use is not a problem on a site that uses the GPU.
    let of_this = warnings.iter().filter(|(index, warning)| *index == gpu.index && *warning != Warning::MemoryHeld);
    let parts = gpu.parts().iter().filter_map(|part| part.name.value().cloned());
    GpuStatus {
        index: gpu.index,
        model: gpu.model.value().cloned(),
        total_bytes: gpu.memory.value().map(|memory| memory.total_bytes),
        used_bytes: gpu.memory.value().map(|memory| memory.used_bytes),
        parts: parts.collect(),
        holders: gpu.processes.value().into_iter().flatten().map(gpu_holder).collect(),
        problems: of_this.map(|(_, warning)| problem_of_gpu(*warning).to_owned()).collect(),
    }
}

fn gpu_holder(process: &GpuProcess) -> GpuHolder {
    GpuHolder {
        pid: process.pid,
        program: process.name.value().cloned(),
        used_bytes: process.used_bytes.value().copied(),
        pod: None,
    }
}

/// Returns the faults of the specification of GPUs; `None` if it has every device.
fn lacking(report: &GpuReport, paths: &SitePaths) -> Option<String> {
    let path = paths.gpu_specification();
    let shown = path.display();
    let Ok(bytes) = fs_err::read(&path) else { return Some(format!("{shown} is missing")) };
    match Specification::read(&bytes, &paths.node_link().join(HOOK)) {
        Err(fault) => Some(format!("{shown} has {fault}")),
        Ok(specification) => {
            let lacks: Vec<String> = specification.lacks(report).into_iter().collect();
            (!lacks.is_empty()).then(|| format!("{shown} lacks {}", lacks.join(", ")))
        }
    }
}

/// Returns the UID of the pod that owns control groups. With systemd, it is in `kubepods-besteffort-podUID.slice`, with
/// `_` for `-`. Without systemd, it is in `kubepods/besteffort/podUID`.
fn pod_in(groups: &str) -> Option<String> {
    let ids = groups.split(['/', '.', ':', '\n']).filter_map(|part| part.rsplit_once("pod"));
    let mut ids = ids.map(|(_, id)| id.replace('_', "-"));
    ids.find(|id| Uuid::try_parse(id).is_ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use landfall_media::durable;
    use landfall_release_document::MigStrategy;
    use serde_json::json;

    use super::*;

    fn report(machine: &str) -> GpuReport {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines");
        GpuReport::read(&fs_err::read(format!("{folder}/{machine}.json")).unwrap()).unwrap()
    }

    fn status(machine: &str) -> Option<GpusStatus> {
        let report = report(machine);
        let (at, age) = ("2026-11-20T08:00:00Z".to_owned(), Duration::from_millis(42_900));
        gpus_status(&ProbedGpus { report, at, age })
    }

    #[test]
    fn gpus_are_shown_with_their_holders() {
        let found = status("two-l4").unwrap();
        assert_eq!((found.driver.as_deref(), &found.reason), (Some("580.159.04"), &None));
        assert_eq!((found.as_of.as_str(), found.age_seconds), ("2026-11-20T08:00:00Z", 42));
        let [first, second] = &found.devices[..] else { panic!("{found:?}") };
        assert_eq!((first.model.as_deref(), first.used_bytes), (Some("NVIDIA L4"), Some(2 << 30)));
        let holders: Vec<_> =
            first.holders.iter().map(|one| (one.pid, one.program.as_deref(), one.used_bytes)).collect();
        assert_eq!(holders, [(4242, Some("vllm"), Some(2_097_152_000)), (4243, None, None)]);
        assert!(second.holders.is_empty() && first.problems.is_empty(), "{found:?}");
        let divided = status("a100-mig").unwrap();
        assert!(divided.devices[0].parts[0].ends_with("MIG 1g.5gb"), "{divided:?}");
    }

    #[test]
    fn gpu_faults_are_reported() {
        let lost = status("lost").unwrap();
        assert!(lost.reason.as_ref().unwrap().starts_with("[LF3039] "), "{lost:?}");
        assert_eq!(lost.devices[1].problems, ["does not answer"]);
        let worn = status("ecc-errors").unwrap();
        assert!(worn.devices.iter().any(|gpu| !gpu.problems.is_empty()), "{worn:?}");
        let bare = status("no-driver").unwrap();
        assert!(bare.reason.as_ref().unwrap().starts_with("[LF3034] ") && bare.devices.is_empty(), "{bare:?}");
        assert_eq!((status("none"), status("jetson")), (None, None));
    }

    #[test]
    fn offered_gpus_are_compared_with_driver() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let node = |resources: Value| json!({"status": {"allocatable": resources}});
        let compared = |machine: &str, offered: Value, strategy| {
            let mut found = status(machine).unwrap();
            see_nodes(&mut found, &[node(offered)]);
            compare(&mut found, &report(machine), Offer { strategy, replicas: 1 }, &paths);
            found
        };
        let two = || json!({"cpu": "16", "nvidia.com/gpu": "2", "nvidia.com/mig-1g.5gb": "0"});
        let without = compared("two-l4", two(), MigStrategy::None);
        assert_eq!(without.offered, BTreeMap::from([("nvidia.com/gpu".to_owned(), 2)]));
        let [only] = &without.differences[..] else { panic!("{without:?}") };
        assert!(only.starts_with("[LF4214] ") && only.contains("/run/landfall/cdi/nvidia.json is missing"), "{only}");

        let uuids = landfall_gpu_facts::cdi::uuids(&report("two-l4")).into_iter();
        let edits = json!({"deviceNodes": [{"path": "/dev/nvidia0"}]});
        let devices: Vec<Value> = uuids.map(|name| json!({"name": name, "containerEdits": edits})).collect();
        let write = |devices: &[Value]| {
            let text = json!({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": devices}).to_string();
            durable::create_folder(&paths.gpu_specifications()).unwrap();
            durable::write_file(&paths.gpu_specification(), text.as_bytes(), 0o644).unwrap();
        };
        write(&devices);
        assert_eq!(compared("two-l4", two(), MigStrategy::None).differences, Vec::<String>::new());
        let fewer = compared("two-l4", json!({"nvidia.com/gpu": "1"}), MigStrategy::None);
        assert!(
            fewer.differences[0].contains("it offers 1 of nvidia.com/gpu, not 2 of nvidia.com/gpu"),
            "{:?}",
            fewer.differences
        );
        let silent = compared("two-l4", json!({}), MigStrategy::None);
        assert!(silent.differences[0].contains("it offers nothing, not 2"), "{:?}", silent.differences);
        write(&devices[..1]);
        let stale = compared("two-l4", two(), MigStrategy::None);
        assert!(stale.differences[0].contains("lacks GPU-"), "{:?}", stale.differences);
        assert_eq!(compared("hangs", json!({}), MigStrategy::None).differences, Vec::<String>::new());
    }

    #[test]
    fn holders_are_named_by_their_pods() {
        const UID: &str = "0a1b2c3d-0000-4000-8000-00000000000f";
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let groups =
            format!("0::/kubepods.slice/kubepods-pod{}.slice/cri-containerd-77.scope\n", UID.replace('-', "_"));
        fs_err::create_dir_all(paths.host("/proc/4242")).unwrap();
        durable::write_file(&paths.host("/proc/4242/cgroup"), groups.as_bytes(), 0o644).unwrap();
        let mut found = status("two-l4").unwrap();
        let pod = json!({"metadata": {"namespace": "inference", "name": "vllm-0", "uid": UID}});
        name_pods(&mut found, &[pod], &paths);
        let pods: Vec<_> = found.devices[0].holders.iter().map(|one| one.pod.as_deref()).collect();
        assert_eq!(pods, [Some("inference/vllm-0"), None]);
        let groups = format!("5:memory:/kubepods/besteffort/pod{UID}/77\n");
        assert_eq!(pod_in(&groups).as_deref(), Some(UID));
        assert_eq!(pod_in("0::/system.slice/podman.service\n"), None);
    }
}
