//! The facts of a host, one by one, for people: each with its name in rules, and the findings that judge it.

mod gpus;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use indicatif::HumanBytes;
use landfall_error_codes::{Code, codes};
use landfall_host::facts::{CgroupDriver, ClosedChain, ClosedHook, Cpu, Facts, Filesystem, Filter, Security, Topic};

/// A fact.
pub struct Row {
    /// Name for people.
    pub name: Cow<'static, str>,
    /// Path in rules.
    pub path: &'static str,
    /// Codes of the findings that judge it.
    pub codes: &'static [Code],
    /// Value of the fact.
    pub value: String,
}

fn row(
    name: impl Into<Cow<'static, str>>,
    path: &'static str,
    codes: &'static [Code],
    value: impl Into<String>,
) -> Row {
    Row { name: name.into(), path, codes, value: value.into() }
}

/// Returns all facts, by topic.
pub fn groups(facts: &Facts) -> Vec<(Topic, Vec<Row>)> {
    vec![
        (Topic::Machine, machine(facts)),
        (Topic::Gpu, gpus::rows(facts)),
        (Topic::System, [system(facts), kernel(facts), security(facts)].into_iter().flatten().collect()),
        (Topic::Storage, storage(facts)),
        (Topic::Clock, clock(facts)),
        (Topic::Network, [network(facts), firewalls(facts)].into_iter().flatten().collect()),
    ]
}

fn machine(facts: &Facts) -> Vec<Row> {
    let of_cpu = |value: fn(&Cpu) -> String| facts.cpu.as_ref().map_or_else(unknown, value);
    vec![
        row("Platform", "facts.platform", &[codes::WRONG_PLATFORM], facts.platform.clone()),
        row("Processor", "facts.cpu.model", &[], of_cpu(|cpu| cpu.model.clone())),
        row("Processor cores", "facts.cores", &[codes::TOO_FEW_CORES], facts.cores.to_string()),
        row("Level of x86-64", "facts.cpu.level", &[], of_cpu(|cpu| or_none(cpu.level))),
        row("Processor features", "facts.cpu.features", &[], of_cpu(|cpu| word_list(&cpu.features))),
        row("NUMA nodes", "facts.cpu.numaNodes", &[], of_cpu(|cpu| cpu.numa_nodes.to_string())),
        row("Memory", "facts.memoryBytes", &[codes::TOO_LITTLE_MEMORY, codes::MODEL_UNFIT], bytes(facts.memory_bytes)),
        row("Swap", "facts.swapBytes", &[codes::SWAP_ON], bytes(facts.swap_bytes)),
    ]
}

fn system(facts: &Facts) -> Vec<Row> {
    const GLIBC: &[Code] = &[codes::GLIBC_TOO_OLD, codes::NODE_GLIBC_TOO_OLD];
    const CGROUPS: &[Code] = &[codes::CGROUPS_UNFIT];
    let driver = match facts.cgroups.driver {
        CgroupDriver::Systemd => "systemd",
        CgroupDriver::Cgroupfs => "cgroupfs",
    };
    vec![
        row("Distribution", "facts.operatingSystem", &[codes::DISTRIBUTION], facts.operating_system.clone()),
        row(
            "C library",
            "facts.glibc",
            GLIBC,
            or_none(facts.glibc.as_deref().map(|version| format!("glibc {version}"))),
        ),
        row("systemd is pid 1", "facts.systemd", &[codes::SYSTEMD_MISSING], yes(facts.systemd)),
        row("Version of control groups", "facts.cgroups.version", CGROUPS, facts.cgroups.version.to_string()),
        row("Driver of control groups", "facts.cgroups.driver", &[], driver),
        row("Controllers", "facts.cgroups.controllers", CGROUPS, word_list(&facts.cgroups.controllers)),
        row("Lowers OOM scores", "facts.lowersOomScore", &[], yes(facts.lowers_oom_score)),
        row("Other Kubernetes", "facts.leftovers", &[codes::OTHER_KUBERNETES], word_list(&facts.leftovers)),
        row("Collected as root", "facts.root", &[codes::NOT_ROOT], yes(facts.root)),
    ]
}

fn kernel(facts: &Facts) -> Vec<Row> {
    const MODULES: &[Code] = &[codes::MODULE_MISSING];
    let options = facts.missing_kernel_options.as_deref().map_or_else(unknown, word_list);
    vec![
        row("Kernel", "facts.kernel", &[codes::KERNEL_TOO_OLD], facts.kernel.clone()),
        row("Missing kernel options", "facts.missingKernelOptions", &[codes::KERNEL_OPTIONS], options),
        row("Needed modules", "facts.modules", &[], word_list(&facts.modules)),
        row("Modules not loaded", "facts.missingModules", MODULES, word_list(&facts.missing_modules)),
        row("Modules are on the disk", "facts.canLoadModules", MODULES, yes(facts.can_load_modules)),
        row("Kernel settings", "facts.kernelSettings", &[], settings(&facts.kernel_settings)),
        row("Kernel settings with a minimum", "facts.limits", &[], settings(&facts.limits)),
    ]
}

fn security(facts: &Facts) -> Vec<Row> {
    let of = |value: fn(&Security) -> String| facts.security.as_ref().map_or_else(unknown, value);
    let programs = of(|security| security.endpoint_programs.as_deref().map_or_else(unknown, word_list));
    let boot = of(|security| security.secure_boot.map_or_else(|| "no UEFI".to_owned(), yes));
    let selinux = facts.selinux.as_deref().unwrap_or("off");
    let fapolicyd = of(|security| yes(security.fapolicyd));
    vec![
        row("SELinux", "facts.selinux", &[codes::SELINUX_ENFORCING], selinux),
        row("AppArmor", "facts.security.appArmor", &[], of(|security| yes(security.app_armor))),
        row("fapolicyd", "facts.security.fapolicyd", &[codes::PROGRAM_RULES], fapolicyd),
        row("Secure Boot", "facts.security.secureBoot", &[], boot),
        row("Endpoint security", "facts.security.endpointPrograms", &[codes::ENDPOINT_SECURITY], programs),
    ]
}

fn storage(facts: &Facts) -> Vec<Row> {
    const OF_FILESYSTEMS: &[Code] =
        &[codes::TOO_LITTLE_SPACE, codes::TOO_FEW_INODES, codes::READ_ONLY, codes::NO_EXEC, codes::NO_BARRIERS];
    let folder = &facts.data_folder;
    let each = facts.filesystems.iter();
    let mut rows: Vec<Row> =
        each.map(|one| row(one.paths.join(", "), "facts.filesystems", OF_FILESYSTEMS, filesystem(one))).collect();
    rows.extend([
        row("Mount of the data folder", "facts.dataFolder.mount", &[], folder.mount.clone()),
        row("Its filesystem", "facts.dataFolder.kind", &[codes::DATA_FILESYSTEM], folder.kind.clone()),
        row(
            "XFS without ftype",
            "facts.dataFolder.xfsWithoutFtype",
            &[codes::DATA_FILESYSTEM],
            yes(folder.xfs_without_ftype),
        ),
        row("Mounted at each boot", "facts.dataFolder.permanent", &[codes::MOUNT_NOT_PERMANENT], yes(folder.permanent)),
    ]);
    let times = format!("known of {} steps", facts.step_times.len());
    rows.push(row("Times of an earlier install", "facts.stepTimes", &[], times));
    rows.extend(speeds(facts));
    rows
}

fn speeds(facts: &Facts) -> Vec<Row> {
    const SYNC: &[Code] = &[codes::SLOW_SYNC];
    let Some(speeds) = facts.speeds else { return vec![row("Speeds", "facts.speeds", SYNC, "not measured")] };
    let rate = |bytes: u64| format!("{}/s", HumanBytes(bytes));
    let sync = format!("99 of 100 within {} µs", speeds.sync_p99_micros);
    vec![
        row("Writing", "facts.speeds.writeBytesPerSecond", &[], rate(speeds.write_bytes_per_second)),
        row("Reading", "facts.speeds.readBytesPerSecond", &[], rate(speeds.read_bytes_per_second)),
        row("Hashing", "facts.speeds.hashBytesPerSecond", &[], rate(speeds.hash_bytes_per_second)),
        row("Synced writes", "facts.speeds.syncP99Micros", SYNC, sync),
    ]
}

fn filesystem(one: &Filesystem) -> String {
    let mut parts = vec![format!("{} free of {}", HumanBytes(one.free_bytes), HumanBytes(one.total_bytes))];
    parts.extend(one.free_inodes.map(|inodes| format!("{inodes} free inodes")));
    parts.push(if one.kind.is_empty() { unknown() } else { one.kind.clone() });
    parts.extend(one.rotates.map(|rotates| if rotates { "rotating disk" } else { "solid-state disk" }.to_owned()));
    parts.extend(one.read_only.then(|| "read-only".to_owned()));
    if !one.no_exec.is_empty() {
        parts.push(format!("no program runs from {}", one.no_exec.join(", ")));
    }
    if !one.options.is_empty() {
        parts.push(format!("mounted with {}", one.options.join(",")));
    }
    parts.join("; ")
}

fn clock(facts: &Facts) -> Vec<Row> {
    const PLAUSIBLE: &[Code] = &[codes::CLOCK_WRONG, codes::NODE_CLOCK];
    let drift = facts.clock_drift_ppb.map(|drift| format!("{drift} billionths"));
    let ahead = facts.ahead_of_hardware_clock_seconds.map(|seconds| format!("{seconds} s"));
    vec![
        row("Time", "facts.collectedAt", PLAUSIBLE, facts.collected_at.clone()),
        row("Newest time seen by a site", "facts.clockSeen", PLAUSIBLE, or_none(facts.clock_seen.as_deref())),
        row("Source", "facts.clockSource", &[], or_none(facts.clock_source.as_deref())),
        row("Kept right by", "facts.timeProgram", &[], or_none(facts.time_program.as_deref())),
        row("Drift", "facts.clockDriftPpb", &[], drift.unwrap_or_else(unknown)),
        row(
            "Ahead of the hardware clock",
            "facts.aheadOfHardwareClockSeconds",
            &[codes::HARDWARE_CLOCK],
            ahead.unwrap_or_else(unknown),
        ),
    ]
}

fn network(facts: &Facts) -> Vec<Row> {
    const ADDRESSES: &[Code] =
        &[codes::NO_ADDRESS, codes::ADDRESS_AMBIGUOUS, codes::ADDRESS_NOT_HERE, codes::IPV6_UNSUPPORTED];
    let network = &facts.network;
    let addresses = network.addresses.iter().map(|one| format!("{}/{} on {}", one.address, one.prefix, one.interface));
    let listeners = network.listeners.iter();
    let listeners = listeners.map(|one| format!("{} by {} (process {})", one.port, one.program, one.pid));
    vec![
        row("Name", "facts.hostname", &[codes::BAD_HOSTNAME], facts.hostname.clone()),
        row("Addresses", "facts.network.addresses", ADDRESSES, join_words(addresses)),
        row("Default route", "facts.network.defaultRoute", ADDRESSES, or_none(network.default_route.as_deref())),
        row("Largest packet", "facts.network.mtu", &[], network.mtu.map_or_else(unknown, |mtu| format!("{mtu} bytes"))),
        row("Routed networks", "facts.network.networks", &[codes::RANGES_OVERLAP], word_list(&network.networks)),
        row("Nameservers", "facts.network.nameservers", &[codes::NO_NAMESERVER], word_list(&network.nameservers)),
        row("TCP ports in use", "facts.network.portsInUse", &[codes::PORT_IN_USE], join_words(&network.ports_in_use)),
        row(
            "UDP ports in use",
            "facts.network.udpPortsInUse",
            &[codes::PORT_IN_USE],
            join_words(&network.udp_ports_in_use),
        ),
        row("Programs behind TCP ports", "facts.network.listeners", &[codes::PORT_IN_USE], join_words(listeners)),
    ]
}

fn firewalls(facts: &Facts) -> Vec<Row> {
    const CLOSED: &[Code] = &[codes::FIREWALL_CLOSED];
    const CHAINS: &[Code] = &[codes::FIREWALL_CLOSED, codes::FIREWALL_INBOUND];
    let network = &facts.network;
    let firewalld = network.firewalld.as_ref().map(|firewalld| {
        let trusted = word_list(&firewalld.trusted);
        if firewalld.passes_all {
            "accepts everything".to_owned()
        } else {
            format!("accepts everything from: {trusted}")
        }
    });
    let chains = join_words(network.closed_chains.iter().map(chain));
    let unread = yes(network.legacy_filter_unread);
    let flushes = yes(network.flushes_ruleset);
    vec![
        row("Tables of the packet filter", "facts.network.filterTables", &[], word_list(&network.filter_tables)),
        row("firewalld", "facts.network.firewalld", CLOSED, firewalld.unwrap_or_else(|| "off".to_owned())),
        row("Chains that drop packets", "facts.network.closedChains", CHAINS, chains),
        row(
            "Rules of legacy iptables that cannot be read",
            "facts.network.legacyFilterUnread",
            &[codes::FIREWALL_UNREAD],
            unread,
        ),
        row("Starts by deleting all tables", "facts.network.flushesRuleset", &[codes::FIREWALL_FLUSHES], flushes),
    ]
}

fn chain(chain: &ClosedChain) -> String {
    let filter = match chain.filter {
        Filter::Ufw => "ufw",
        Filter::Nftables => "nftables",
        Filter::Iptables => "iptables",
    };
    let packets = match chain.hook {
        ClosedHook::Input => "packets for this host",
        ClosedHook::Forward => "packets that it forwards",
    };
    let to = chain.accepts_to.as_deref().map_or_else(unknown, word_list);
    let dropped = |way: &str, names: &[String]| {
        if names.is_empty() { String::new() } else { format!("; dropped {way}: {}", word_list(names)) }
    };
    let (from, into) = (dropped("from", &chain.drops), dropped("to", &chain.drops_to));
    format!("{} of {filter}: {packets}; accepted from: {}; to: {to}{from}{into}", chain.name, word_list(&chain.accepts))
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn word_list(words: &[String]) -> String {
    join_words(words)
}

fn join_words<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn settings(settings: &BTreeMap<String, u64>) -> String {
    join_words(settings.iter().map(|(name, value)| format!("{name} {value}")))
}
