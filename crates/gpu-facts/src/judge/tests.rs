//! Tests of judgments on the machines of `testdata/machines`: the output of `landfall-gpu` on trees and a library that
//! simulate them.

use std::path::Path;

use landfall_error_codes::codes;

use super::*;
use crate::cuda::Code as ImageCode;
use crate::nvml::FailedGpu;
use crate::reading::Absence;

fn machine(name: &str) -> GpuReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/machines/{name}.json"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    GpuReport::read(&bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

fn state(name: &str) -> HostState {
    host_state(&machine(name), &Needs::default())
}

fn needs_cuda(major: u32, minor: u32) -> Needs {
    Needs { cuda: Some(CudaVersion::new(major, minor)), ..Needs::default() }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn recorded_machines_have_verdicts() {
    let at = |text: &str| text.parse().expect(text);
    for (name, expected) in [
        ("none", HostState::NoGpu),
        ("no-driver", HostState::NoDriver { held_by: names(&["nouveau"]) }),
        ("jetson", HostState::SystemOnChip("NVIDIA Jetson AGX Orin Developer Kit".to_owned())),
        ("old-driver", HostState::Ready),
        ("a100-mig", HostState::Ready),
        ("two-l4", HostState::Ready),
        ("mixed", HostState::Ready),
        ("ecc-errors", HostState::Ready),
        ("vgpu", HostState::Ready),
        ("newer", HostState::Ready),
        ("h100-nvswitch", HostState::Ready),
        ("h100-nvswitch-no-fabric-manager", HostState::FabricManagerMissing),
        ("b200-nvswitch", HostState::Ready),
        ("b200-nvswitch-no-fabric-manager", HostState::FabricManagerMissing),
        ("lost", HostState::DeviceLost { addresses: BTreeSet::from([at("0000:02:00.0")]) }),
        ("denied", HostState::NotPermitted),
        ("mismatch", HostState::VersionMismatch),
        ("hangs", HostState::DriverFails("the driver did not answer within 2000 ms".to_owned())),
        ("crashes", HostState::DriverFails("signal 6 ended the process that asked NVML".to_owned())),
        ("ends", HostState::DriverFails("the process that asked NVML ended without facts".to_owned())),
        ("floods", HostState::DriverFails("NVML printed more than 4194304 bytes".to_owned())),
    ] {
        assert_eq!(state(name), expected, "{name}");
    }
}

#[test]
fn recorded_documents_round_trip() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/machines");
    let mut count = 0;
    for entry in folder.read_dir().expect("documents") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a document");
        let report = GpuReport::read(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert_eq!(report.to_json().expect("written"), text, "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 21, "each has its verdict above");
}

#[test]
fn obstacles_have_codes() {
    assert_eq!(state("none").code(), None);
    assert_eq!(state("two-l4").code(), None);
    assert_eq!(state("no-driver").code(), Some(codes::GPU_NO_DRIVER));
    assert_eq!(state("lost").code(), Some(codes::GPU_DEVICE_LOST));
    assert_eq!(state("hangs").code(), Some(codes::GPU_DRIVER_FAILS));
    assert_eq!(state("h100-nvswitch-no-fabric-manager").code(), Some(codes::GPU_FABRIC_MANAGER));
}

#[test]
fn driver_age_depends_on_needs() {
    let old = machine("old-driver");
    let HostState::DriverTooOld { driver, oldest } = host_state(&old, &needs_cuda(12, 9)) else { panic!("too old") };
    assert_eq!((driver.to_string().as_str(), oldest), ("470.256.02", [525, 60, 13]));
    assert_eq!(host_state(&old, &needs_cuda(11, 8)), HostState::Ready, "by minor version compatibility");
    assert_eq!(host_state(&machine("a100-mig"), &needs_cuda(13, 0)).code(), Some(codes::GPU_DRIVER_TOO_OLD));
    assert_eq!(host_state(&machine("newer"), &needs_cuda(14, 2)), HostState::Ready, "the driver says so itself");
    // The kernel shows the version even if the library fails, so the driver to install is known before anything else is
    // fixed.
    assert_eq!(host_state(&machine("denied"), &needs_cuda(13, 0)), HostState::NotPermitted);
}

#[test]
fn unlisted_gpu_is_lost() {
    let mut report = machine("two-l4");
    let NvmlState::Read(facts) = &mut report.nvml else { panic!("facts") };
    facts.gpus.pop();
    let lost = HostState::DeviceLost { addresses: BTreeSet::from(["0000:02:00.0".parse().expect("an address")]) };
    assert_eq!(host_state(&report, &Needs::default()), lost);
    let mut excluded = report.clone();
    excluded.driver.gpus[1].is_excluded = true;
    assert_eq!(host_state(&excluded, &Needs::default()), HostState::Ready, "the driver is configured to ignore it");
    let mut container = report;
    container.driver.device_files.retain(|file| file.name != "nvidia1");
    assert_eq!(host_state(&container, &Needs::default()), HostState::Ready, "the container has only the other GPU");
}

#[test]
fn denied_gpus_are_not_lost() {
    let mut report = machine("two-l4");
    report.driver.device_files.retain(|file| file.name == "nvidiactl");
    let NvmlState::Read(facts) = &mut report.nvml else { panic!("facts") };
    facts.gpus.clear();
    assert_eq!(host_state(&report, &Needs::default()), HostState::NotPermitted, "the container has none");
    let mut report = machine("two-l4");
    let NvmlState::Read(facts) = &mut report.nvml else { panic!("facts") };
    let failure = Absence::new(AbsenceReason::NotPermitted);
    let denied = |index| {
        GpuEntry::Fails(FailedGpu { index, pci_address: Reading::Absent(failure.clone()), failure: failure.clone() })
    };
    facts.gpus = vec![denied(0), denied(1)];
    assert_eq!(host_state(&report, &Needs::default()), HostState::NotPermitted);
}

#[test]
fn foreign_kernel_driver_counts_as_missing() {
    let mut report = machine("two-l4");
    for device in &mut report.hardware.devices {
        device.kernel_driver = Some("vfio-pci".to_owned());
    }
    let NvmlState::Read(facts) = &mut report.nvml else { panic!("facts") };
    facts.gpus.clear();
    assert_eq!(host_state(&report, &Needs::default()), HostState::NoDriver { held_by: names(&["vfio-pci"]) });
}

#[test]
fn other_vendors_gpu_is_reported() {
    let mut report = machine("no-driver");
    report.hardware.devices[0].vendor = crate::hardware::Hexadecimal(crate::hardware::AMD);
    assert_eq!(host_state(&report, &Needs::default()), HostState::OtherVendor);
}

#[test]
fn responding_driver_overrides_hidden_bus() {
    let mut report = machine("two-l4");
    report.hardware.devices.clear();
    assert_eq!(host_state(&report, &Needs::default()), HostState::Ready);
    let mut report = machine("hangs");
    report.hardware.devices.clear();
    assert_eq!(host_state(&report, &Needs::default()).code(), Some(codes::GPU_DRIVER_FAILS));
}

#[test]
fn links_reveal_hidden_fabric_manager() {
    let mut report = machine("h100-nvswitch-no-fabric-manager");
    report.driver.fabric_manager = FabricManager::NotSeen;
    assert_eq!(host_state(&report, &Needs::default()), HostState::Ready, "the links are up");
    let NvmlState::Read(facts) = &mut report.nvml else { panic!("facts") };
    for entry in &mut facts.gpus {
        let GpuEntry::Answers(gpu) = entry else { panic!("all answer") };
        let Reading::Value(links) = &mut gpu.nvlinks else { panic!("links") };
        for link in links {
            link.is_active = false;
        }
    }
    assert_eq!(host_state(&report, &Needs::default()), HostState::FabricManagerMissing);
}

#[test]
fn warnings_name_gpu_problems() {
    let errors = [(0, Warning::UncorrectedErrors), (0, Warning::MemoryRepairPending)];
    assert_eq!(warnings(&machine("ecc-errors")), errors);
    assert_eq!(warnings(&machine("two-l4")), [(0, Warning::MemoryHeld)]);
    assert_eq!(warnings(&machine("vgpu")), [(0, Warning::NeedsVgpuLicense)]);
    assert_eq!(warnings(&machine("mixed")), [(0, Warning::Hot), (1, Warning::Hot)]);
    assert_eq!(warnings(&machine("h100-nvswitch")), []);
    let mut report = machine("a100-mig");
    assert_eq!(warnings(&report), []);
    let NvmlState::Read(facts) = &mut report.nvml else { panic!("facts") };
    let GpuEntry::Answers(gpu) = &mut facts.gpus[0] else { panic!("it answers") };
    let Reading::Value(mig) = &mut gpu.mig else { panic!("divided") };
    mig.devices = Reading::Value(Vec::new());
    mig.is_enabled_after_reset = false;
    gpu.persistence = Reading::Value(false);
    gpu.compute_mode = Reading::Value(ComputeMode::Prohibited);
    gpu.remapped_rows.has_failed = Reading::Value(true);
    let expected = [
        Warning::MemoryRepairFailed,
        Warning::MigChangePending,
        Warning::MigWithoutDevices,
        Warning::ComputeModeRestricted,
        Warning::NotPersistent,
    ];
    assert_eq!(warnings(&report), expected.map(|warning| (0, warning)));
}

#[test]
fn image_is_checked_against_gpus() {
    let report = machine("mixed");
    let volta = ComputeCapability::new(7, 0);
    assert_eq!(unfit_gpus(&report, &needs_cuda(13, 0)), [(1, UnfitReason::DroppedByCuda(volta))]);
    assert_eq!(unfit_gpus(&report, &needs_cuda(12, 9)), []);
    let hopper = vec![ImageCode::Machine(ComputeCapability::new(9, 0))];
    assert_eq!(unfit_gpus(&report, &Needs { cuda: None, code: hopper }), [(1, UnfitReason::NoCode(volta))]);
    // Code that the driver would have to compile is ignored on a driver older than the image's CUDA.
    let compiled = Needs { code: vec![ImageCode::Ptx(ComputeCapability::new(8, 0))], ..needs_cuda(12, 9) };
    let ampere = ComputeCapability::new(8, 0);
    assert_eq!(unfit_gpus(&machine("a100-mig"), &compiled), [(0, UnfitReason::NoCode(ampere))]);
    assert_eq!(unfit_gpus(&machine("ecc-errors"), &compiled), []);
}

/// Checks a unique property of each machine, so that rewritten documents are checked.
#[test]
fn recorded_machines_have_facts() {
    let gpu = |name: &str| gpus(&machine(name)).next().expect("a GPU").clone();
    let old = gpu("old-driver");
    assert_eq!(old.memory.absence().map(|absence| absence.reason), Some(AbsenceReason::NotInDriver));
    assert_eq!(old.mig.absence().map(|absence| absence.reason), Some(AbsenceReason::NotSupported));
    assert_eq!(old.retired_pages.is_pending, Reading::Value(false));
    let newer = gpu("newer");
    assert_eq!(newer.compute_mode.absence().map(|absence| absence.reason), Some(AbsenceReason::NotUnderstood));
    assert_eq!(newer.virtualization.absence().map(|absence| absence.reason), Some(AbsenceReason::NotUnderstood));
    assert_eq!(
        newer.temperature.gpu_celsius.absence().map(|absence| absence.reason),
        Some(AbsenceReason::NotUnderstood)
    );
    assert_eq!(newer.display.is_attached, Reading::Absent(Absence::new(AbsenceReason::NotInDriver)));
    let mig = gpu("a100-mig").mig;
    let mig = mig.value().expect("divided");
    assert_eq!(mig.devices.value().map(Vec::len), Some(3));
    let profiles = mig.profiles.value().expect("profiles").iter().filter_map(|profile| profile.name.value().cloned());
    let expected = ["1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb", "1g.5gb+me", "1g.10gb"];
    assert_eq!(profiles.collect::<Vec<_>>(), expected);
    let processes = gpu("two-l4").processes;
    let [named, unseen] = processes.value().expect("processes").as_slice() else { panic!("two processes") };
    assert_eq!((named.pid, named.name.value().map(String::as_str)), (4242, Some("vllm")));
    assert_eq!((named.used_bytes.value(), named.gpu_instance), (Some(&(2000 << 20)), None));
    assert_eq!(unseen.used_bytes.absence().map(|absence| absence.reason), Some(AbsenceReason::NotPermitted));
    let links = gpu("h100-nvswitch").nvlinks;
    let switches = machine("h100-nvswitch").hardware.switches;
    let links = links.value().expect("links");
    assert_eq!((links.len(), switches.len()), (18, 4));
    assert!(links.iter().all(|link| switches.iter().any(|switch| link.remote.value() == Some(&switch.address))));
    assert_eq!(gpu("vgpu").virtualization, Reading::Value(Virtualization::Vgpu));
    assert_eq!(gpu("mixed").compute_capability, Reading::Value(ComputeCapability::new(9, 0)));
}
