use super::*;
use landfall_host::facts::sample::sample;

/// Returns the facts that the probe printed for a sample machine.
fn host(machine: &str) -> Facts {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines");
    let bytes = fs_err::read(format!("{folder}/{machine}.json")).unwrap();
    Facts { gpus: Some(GpuReport::read(&bytes).unwrap()), ..sample() }
}

fn sample_requirements(count: u32) -> GpuRequirements {
    GpuRequirements { count, memory_bytes: None, compute_capability: None, driver: None, mig: None, plugin: None }
}

fn text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        format!("{:?} {finding}\n    {}\n    {}\n", finding.severity, finding.fix, finding.commands.join("; "))
    };
    findings.iter().map(line).collect()
}

/// No GPU, a GPU without a driver and a lost one are three findings with three fixes.
#[test]
fn machines_have_specific_findings() {
    let machines = [
        "none",
        "no-driver",
        "old-driver",
        "lost",
        "mismatch",
        "denied",
        "hangs",
        "crashes",
        "jetson",
        "two-l4",
        "mixed",
        "a100-mig",
        "h100-nvswitch",
        "h100-nvswitch-no-fabric-manager",
        "b200-nvswitch",
        "b200-nvswitch-no-fabric-manager",
        "ecc-errors",
        "vgpu",
        "newer",
    ];
    let wanted = GpuRequirements { driver: Some("525.60.13".to_owned()), ..sample_requirements(1) };
    let all: String =
        machines.map(|machine| format!("# {machine}\n{}", text(&findings(&host(machine), Some(&wanted))))).concat();
    insta::assert_snapshot!(all);
}

#[test]
fn lost_gpu_hides_no_other_blocker() {
    let mut facts = host("h100-nvswitch-no-fabric-manager");
    let report = facts.gpus.as_mut().unwrap();
    report.hardware.devices[0].answers = Some(false);
    let found = findings(&facts, Some(&sample_requirements(4)));
    let found: Vec<_> = found.iter().filter(|finding| finding.is_blocker()).map(Finding::code_id).collect();
    assert_eq!(found, [codes::GPU_DEVICE_LOST.id, codes::GPU_FABRIC_MANAGER.id]);
}

#[test]
fn release_without_gpus_checks_none() {
    for machine in ["none", "no-driver", "lost"] {
        assert_eq!(findings(&host(machine), None), []);
    }
}

#[test]
fn facts_without_gpus_block() {
    let found = findings(&sample(), Some(&sample_requirements(1)));
    assert_eq!(found.iter().map(Finding::code_id).collect::<Vec<_>>(), [codes::GPU_NOT_KNOWN.id]);
}

#[test]
fn gpu_count_memory_and_capability_count() {
    let blocks = |machine: &str, wanted: &GpuRequirements| {
        findings(&host(machine), Some(wanted))
            .iter()
            .any(|finding| finding.code == codes::GPU_TOO_FEW && finding.is_blocker())
    };
    let memory = |gibibytes: u64| GpuRequirements { memory_bytes: Some(gibibytes << 30), ..sample_requirements(2) };
    assert!(!blocks("two-l4", &sample_requirements(2)) && blocks("two-l4", &sample_requirements(3)));
    assert!(!blocks("two-l4", &memory(24)), "nominally 24 GiB, a little less in fact");
    assert!(blocks("two-l4", &memory(40)));
    let capability =
        |least: &str| GpuRequirements { compute_capability: Some(least.to_owned()), ..sample_requirements(1) };
    assert!(!blocks("two-l4", &capability("8.9")) && blocks("two-l4", &capability("9.0")));
}

#[test]
fn whole_and_divided_gpus_differ() {
    let of = |machine: &str, mig| {
        let wanted = GpuRequirements { mig: Some(mig), ..sample_requirements(1) };
        let found = findings(&host(machine), Some(&wanted));
        found.iter().any(|finding| finding.code == codes::GPU_TOO_FEW && finding.is_blocker())
    };
    assert!(!of("two-l4", MigRequirement::Whole) && of("two-l4", MigRequirement::Divided));
    assert!(of("a100-mig", MigRequirement::Whole) && !of("a100-mig", MigRequirement::Divided));
}
