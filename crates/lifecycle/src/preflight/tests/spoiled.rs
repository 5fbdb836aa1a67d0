//! Machines with deliberate faults, one at a time and ten at a time. One run finds every fault with its fix, and
//! nothing else.

use std::collections::BTreeSet;

use landfall_error_codes::Code;
use landfall_gpu_facts::GpuReport;
use landfall_release_document::{GpuRequirements, Rule, RuleSeverity, RuleText};
use proptest::prelude::*;

use super::*;

/// A fault: its change of the facts, its code, and a part of its fix or of a command.
struct Fault {
    name: &'static str,
    spoil: fn(&mut Facts),
    code: Code,
    fix: &'static str,
    severity: Severity,
}

const fn fault(name: &'static str, spoil: fn(&mut Facts), code: Code, fix: &'static str) -> Fault {
    Fault { name, spoil, code, fix, severity: Severity::Blocker }
}

const fn warning(name: &'static str, spoil: fn(&mut Facts), code: Code, fix: &'static str) -> Fault {
    Fault { severity: Severity::Warning, ..fault(name, spoil, code, fix) }
}

const FAULTS: &[Fault] = &[
    fault("root", |facts| facts.root = false, codes::NOT_ROOT, "as root"),
    fault("platform", |facts| facts.platform = "linux/arm64".to_owned(), codes::WRONG_PLATFORM, "Ask the vendor"),
    fault("cores", |facts| facts.cores = 1, codes::TOO_FEW_CORES, "as many cores"),
    fault("memory", |facts| facts.memory_bytes = 1 << 30, codes::TOO_LITTLE_MEMORY, "as much memory"),
    fault("kernel", |facts| facts.kernel = "4.18.0".to_owned(), codes::KERNEL_TOO_OLD, "newer kernel"),
    fault("systemd", |facts| facts.systemd = false, codes::SYSTEMD_MISSING, "supported operating system"),
    fault("cgroups", |facts| facts.cgroups.controllers.truncate(1), codes::CGROUPS_UNFIT, "controllers enabled"),
    fault("selinux", |facts| facts.selinux = Some("enforcing".to_owned()), codes::SELINUX_ENFORCING, "setenforce 0"),
    fault(
        "modules",
        |facts| {
            facts.operating_system = "ubuntu 24.04".to_owned();
            facts.missing_modules = vec!["br_netfilter".to_owned()];
            facts.can_load_modules = false;
        },
        codes::MODULE_MISSING,
        "apt-get install \"linux-modules-extra-$(uname -r)\"",
    ),
    // Placed after the modules, whose fix is that of the same distribution.
    warning(
        "distribution",
        |facts| facts.operating_system = "ubuntu 20.04".to_owned(),
        codes::DISTRIBUTION,
        "Ubuntu 22.04 or newer",
    ),
    fault(
        "kernel-options",
        |facts| facts.missing_kernel_options = Some(vec!["CONFIG_NFT_NUMGEN".to_owned()]),
        codes::KERNEL_OPTIONS,
        "distribution's own kernel",
    ),
    warning(
        "endpoint-security",
        |facts| facts.security.as_mut().unwrap().endpoint_programs = Some(vec!["falcon-sensor".to_owned()]),
        codes::ENDPOINT_SECURITY,
        "Exclude /var/lib/landfall",
    ),
    warning(
        "firewall-unread",
        |facts| facts.network.legacy_filter_unread = true,
        codes::FIREWALL_UNREAD,
        "Install the distribution's package `iptables`",
    ),
    warning(
        "hardware-clock",
        |facts| facts.ahead_of_hardware_clock_seconds = Some(-7200),
        codes::HARDWARE_CLOCK,
        "hwclock --systohc",
    ),
    warning(
        "barriers",
        |facts| facts.filesystems[0].options.push("nobarrier".to_owned()),
        codes::NO_BARRIERS,
        "mount -o remount,barrier /",
    ),
    fault("filesystem", |facts| facts.data_folder.kind = "nfs4".to_owned(), codes::DATA_FILESYSTEM, "ext4"),
    fault("mount", |facts| facts.data_folder.permanent = false, codes::MOUNT_NOT_PERMANENT, "/etc/fstab"),
    fault("read-only", |facts| facts.filesystems[0].read_only = true, codes::READ_ONLY, "mount -o remount,rw /"),
    fault(
        "noexec",
        |facts| facts.filesystems[0].no_exec = vec![DATA.to_owned()],
        codes::NO_EXEC,
        "mount -o remount,exec /",
    ),
    fault("disk", |facts| facts.filesystems[0].free_bytes = 1 << 30, codes::TOO_LITTLE_SPACE, "Free space"),
    fault("inodes", |facts| facts.filesystems[0].free_inodes = Some(5), codes::TOO_FEW_INODES, "more inodes"),
    fault("clock", |facts| facts.collected_at = "2015-01-01T00:00:00Z".to_owned(), codes::CLOCK_WRONG, "timedatectl"),
    fault(
        "leftovers",
        |facts| facts.leftovers = vec!["the running program k3s".to_owned()],
        codes::OTHER_KUBERNETES,
        "its own tool",
    ),
    fault("ports", |facts| facts.network.ports_in_use = vec![22, 6443], codes::PORT_IN_USE, "ss -ltnp"),
    fault("udp", |facts| facts.network.udp_ports_in_use = vec![8472], codes::PORT_IN_USE, "ss -lunp"),
    fault(
        "hostname",
        |facts| facts.hostname = "Node_1".to_owned(),
        codes::BAD_HOSTNAME,
        "hostnamectl set-hostname node-1",
    ),
    fault(
        "addresses",
        |facts| {
            let other = [192, 168, 7, 2].into();
            let second = landfall_host::facts::NodeAddress { interface: "eth1".to_owned(), address: other, prefix: 24 };
            facts.network.addresses.push(second);
            facts.network.default_route = None;
        },
        codes::ADDRESS_AMBIGUOUS,
        "node.address",
    ),
    fault(
        "overlap",
        |facts| facts.network.networks = vec!["10.244.0.0/24".to_owned()],
        codes::RANGES_OVERLAP,
        "other ranges",
    ),
    fault(
        "firewalld",
        |facts| facts.network.firewalld = Some(Firewalld { passes_all: false, trusted: Vec::new() }),
        codes::FIREWALL_CLOSED,
        "firewall-cmd --permanent --zone=trusted --add-source=10.244.0.0/16",
    ),
    fault(
        "ufw",
        |facts| facts.network.closed_chains.push(chain(Filter::Ufw, "ufw-user-input", ClosedHook::Input, &["lo"])),
        codes::FIREWALL_CLOSED,
        "ufw allow in on cni0",
    ),
    fault(
        "nftables",
        |facts| {
            facts.network.closed_chains.push(chain(Filter::Nftables, "inet filter forward", ClosedHook::Forward, &[]));
        },
        codes::FIREWALL_CLOSED,
        "nft insert rule inet filter forward iifname cni0 accept",
    ),
    fault(
        "iptables",
        |facts| facts.network.closed_chains.push(chain(Filter::Iptables, "FORWARD", ClosedHook::Forward, &[])),
        codes::FIREWALL_CLOSED,
        "iptables -I FORWARD -i cni0 -j ACCEPT",
    ),
    warning("flush", |facts| facts.network.flushes_ruleset = true, codes::FIREWALL_FLUSHES, "flush table"),
    warning("swap", |facts| facts.swap_bytes = 1 << 30, codes::SWAP_ON, "swapoff --all"),
    warning("nameservers", |facts| facts.network.nameservers.clear(), codes::NO_NAMESERVER, "/etc/resolv.conf"),
    warning(
        "fapolicyd",
        |facts| facts.security.as_mut().unwrap().fapolicyd = true,
        codes::PROGRAM_RULES,
        "fagenrules --load",
    ),
    warning("sync", |facts| slow_down(facts, 40_000), codes::SLOW_SYNC, "such as an SSD"),
    fault("glibc", |facts| facts.glibc = Some("2.31".to_owned()), codes::GLIBC_TOO_OLD, "glibc 2.34"),
    fault("gpu", |facts| facts.gpus = Some(machine("none")), codes::GPU_MISSING, "pass them through"),
    fault("gpu-driver", |facts| facts.gpus = Some(machine("no-driver")), codes::GPU_NO_DRIVER, "nvidia-driver"),
    fault("gpu-lost", |facts| facts.gpus = Some(machine("lost")), codes::GPU_DEVICE_LOST, "Xid"),
    fault("rule", |facts| facts.cpu.as_mut().unwrap().features.clear(), codes::RULE_NOT_MET, "with AVX2"),
];

/// Sets the duration of synced writes in microseconds.
fn slow_down(facts: &mut Facts, micros: u64) {
    facts.speeds = facts.speeds.map(|speeds| landfall_host::facts::Speeds { sync_p99_micros: micros, ..speeds });
}

/// Returns true for faults of the GPU, which exclude one another: a machine has only one.
fn is_of_gpu(fault: &Fault) -> bool {
    fault.name.starts_with("gpu")
}

fn machine(name: &str) -> GpuReport {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines");
    GpuReport::read(&fs_err::read(format!("{folder}/{name}.json")).unwrap()).unwrap()
}

/// Returns a host with two GPUs that no process uses.
pub(super) fn good() -> Facts {
    let mut report = serde_json::to_value(machine("two-l4")).unwrap();
    for gpu in report["nvml"]["read"]["gpus"].as_array_mut().unwrap() {
        gpu["answers"]["processes"] = serde_json::json!({ "value": [] });
    }
    Facts { gpus: Some(serde_json::from_value(report).unwrap()), ..sample() }
}

/// Returns a release with all possible requirements.
fn demanding() -> ReleaseDocument {
    let mut release = release();
    release.requirements.gpus = Some(GpuRequirements {
        count: 2,
        memory_bytes: None,
        compute_capability: None,
        driver: None,
        mig: None,
        plugin: None,
    });
    let text = |text: &str| RuleText::Text(text.to_owned());
    release.rules = vec![Rule {
        name: "vector-unit".to_owned(),
        severity: RuleSeverity::Blocker,
        require: "\"avx2\" in facts.cpu.features".to_owned(),
        message: text("The processor is too simple"),
        measured: Some(RuleText::Expression(landfall_release_document::RuleExpression {
            cel: "facts.cpu.model + ', level ' + string(facts.cpu.level)".to_owned(),
        })),
        threshold: Some(text("AVX2")),
        fix: text("Use a processor with AVX2."),
        commands: Vec::new(),
    }];
    release
}

pub(super) fn look(facts: &Facts) -> Vec<Finding> {
    let sizes = Sizes { room: DataRoom { staged_bytes: 1 << 30, ..room() }, unpacked_inodes: 20_000 };
    findings(facts, &demanding(), &SiteConfiguration::default(), sizes)
}

/// Returns severity and code of the findings that did not pass.
fn open(findings: &[Finding]) -> BTreeSet<(Severity, &'static str)> {
    let open = findings.iter().filter(|finding| finding.severity != Severity::Passed);
    open.map(|finding| (finding.severity, finding.code_id())).collect()
}

fn expect(faults: &[&Fault]) {
    let mut facts = good();
    for fault in faults {
        (fault.spoil)(&mut facts);
    }
    let found = look(&facts);
    let names: Vec<&str> = faults.iter().map(|fault| fault.name).collect();
    let mut expected: BTreeSet<_> = faults.iter().map(|fault| (fault.severity, fault.code.id)).collect();
    let mut seen = open(&found);
    // If the only GPU is lost, there are also too few.
    if seen.remove(&(Severity::Blocker, codes::GPU_TOO_FEW.id)) {
        assert!(names.contains(&"gpu-lost"), "{names:?}");
    }
    expected.remove(&(Severity::Blocker, codes::GPU_TOO_FEW.id));
    assert_eq!(seen, expected, "{names:?}");
    for fault in faults {
        let of = found.iter().filter(|finding| finding.code == fault.code);
        let helps = |finding: &Finding| {
            finding.fix.contains(fault.fix) || finding.commands.iter().any(|one| one.contains(fault.fix))
        };
        assert!(of.clone().any(helps), "{}: no fix with `{}`: {:?}", fault.name, fault.fix, of.collect::<Vec<_>>());
    }
}

#[test]
fn good_machine_has_no_open_finding() {
    let found = look(&good());
    assert_eq!(open(&found), BTreeSet::new());
    assert!(found.len() > 20, "it shows what was judged");
    let names: BTreeSet<&str> = found.iter().map(|finding| finding.name.as_str()).collect();
    assert_eq!(names.len(), found.len(), "each once");
}

#[test]
fn single_faults_are_found() {
    for fault in FAULTS {
        expect(&[fault]);
    }
}

#[test]
fn ten_faults_are_found_together() {
    // Every ten consecutive faults, cyclically, so that each fault meets many others.
    for begin in 0..FAULTS.len() {
        let mut faults: Vec<&Fault> = FAULTS.iter().cycle().skip(begin).take(10).collect();
        let mut seen_gpu = false;
        faults.retain(|fault| !is_of_gpu(fault) || !std::mem::replace(&mut seen_gpu, true));
        expect(&faults);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn random_ten_faults_are_found(
        chosen in proptest::sample::subsequence((0..FAULTS.len()).collect::<Vec<_>>(), 10)
    ) {
        let mut seen_gpu = false;
        let mut faults: Vec<&Fault> = chosen.into_iter().map(|index| &FAULTS[index]).collect();
        faults.retain(|fault| !is_of_gpu(fault) || !std::mem::replace(&mut seen_gpu, true));
        expect(&faults);
    }
}

#[test]
fn blockers_come_first_in_order() {
    let mut facts = good();
    for fault in FAULTS.iter().filter(|fault| !is_of_gpu(fault)) {
        (fault.spoil)(&mut facts);
    }
    let found = look(&facts);
    let order: Vec<(Severity, &str)> = found.iter().map(|finding| (finding.severity, finding.name.as_str())).collect();
    let names: Vec<&str> =
        order.iter().take_while(|(severity, _)| *severity == Severity::Blocker).map(|(_, name)| *name).collect();
    assert_eq!(names[..3], ["root", "platform", "cores"]);
    assert_eq!(names.last(), Some(&"vector-unit"));
    assert!(order.is_sorted_by_key(|(severity, _)| *severity));
}

/// The rule may hold or not. It blocks, because no rule of the release is guessed.
#[test]
fn rule_on_unknown_facts_blocks() {
    let found = open(&look(&Facts { cpu: None, ..good() }));
    assert_eq!(found, BTreeSet::from([(Severity::Blocker, codes::RULE_UNUSABLE.id)]));
}

/// The samples for testing rules where a release is built must have the form of host reports.
#[test]
fn rule_samples_are_facts() {
    for name in ["small", "two-gpus"] {
        let path = format!("{}/../rules/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let sample: serde_json::Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
        let facts: Facts = serde_json::from_value(sample.clone()).unwrap();
        assert_eq!(serde_json::to_value(facts).unwrap(), sample, "{name}");
    }
}

/// The test names all kinds of faults, so that a fault removed from the table is noticed.
#[test]
fn fault_table_is_complete() {
    let wanted = "ports disk inodes memory clock nameservers modules swap leftovers overlap noexec read-only cgroups \
        ufw nftables iptables firewalld glibc filesystem fapolicyd sync distribution kernel-options endpoint-security \
        hardware-clock barriers";
    let names: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.name).collect();
    let missing: Vec<&str> = wanted.split_whitespace().filter(|name| !names.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert_eq!(names.len(), FAULTS.len(), "each name once");
}
