mod hostile;
mod spoiled;

use std::collections::BTreeMap;

use super::storage::SYSTEM_BYTES;
use super::*;
use crate::plan::host_ports::{HostPort, Transport};
use crate::plan::install::tests::release;
use landfall_host::facts::sample::sample;
use landfall_host::facts::{ClosedChain, ClosedHook, Filesystem, Filter, Firewalld, Listener};
use landfall_site::findings::Severity;
use landfall_site::room::{DATA, EVICTION_BYTES, FilesystemPeak, PeakPart};

const BUILT: &str = "2025-12-01T00:00:00Z";

fn text(blockers: &[Finding]) -> String {
    blockers.iter().map(|blocker| format!("{blocker}\n    {}\n", blocker.fix)).collect::<Vec<_>>().concat()
}

/// Returns the blockers among all findings.
fn blockers(facts: &Facts, configuration: &SiteConfiguration, sizes: Sizes) -> Vec<Finding> {
    findings(facts, &release(), configuration, sizes).into_iter().filter(Finding::is_blocker).collect()
}

fn findings(facts: &Facts, release: &ReleaseDocument, configuration: &SiteConfiguration, sizes: Sizes) -> Vec<Finding> {
    preflight(&Subject { facts, release, configuration, sizes, host_ports: &HostPorts::default(), built_at: BUILT })
}

/// Returns the space of the release without a bundle.
fn room() -> DataRoom {
    DataRoom::of(&[], &release().requirements)
}

/// Exact to the byte: a disk ordered by the output of `build` must suffice at the site.
#[test]
fn data_space_is_required_exactly() {
    let room = DataRoom { staged_bytes: 3 << 30, unpacked_bytes: 5 << 30, ..room() };
    let mut facts = sample();
    for (lacking, count) in [(0, 0), (1, 1)] {
        facts.filesystems[0].free_bytes = room.total_bytes() + EVICTION_BYTES + SYSTEM_BYTES - lacking;
        let sizes = Sizes { room, unpacked_inodes: 0 };
        let found = blockers(&facts, &SiteConfiguration::default(), sizes);
        assert_eq!(found.len(), count, "{}", text(&found));
    }
}

#[test]
fn fit_host_has_no_blocker() {
    let found = blockers(&sample(), &SiteConfiguration::default(), Sizes::default());
    assert_eq!(text(&found), "");
}

#[test]
fn all_blockers_are_reported() {
    let mut facts = sample();
    facts.root = false;
    facts.platform = "linux/arm64".to_owned();
    facts.kernel = "4.18.0-553.el8".to_owned();
    facts.systemd = false;
    facts.cgroups.controllers = vec!["cpu".to_owned(), "memory".to_owned()];
    facts.cores = 1;
    facts.memory_bytes = 2 << 30;
    facts.filesystems[0].free_bytes = 3 << 30;
    facts.filesystems[0].free_inodes = Some(100);
    facts.filesystems[0].read_only = true;
    facts.filesystems[0].no_exec = vec![DATA.to_owned(), "/var/log".to_owned()];
    facts.hostname = "Node_1".to_owned();
    facts.network.ports_in_use = vec![22, 6443, 10250];
    facts.network.networks = vec!["10.0.0.0/8".to_owned(), "192.168.0.0/24".to_owned()];
    facts.network.firewalld = Some(Firewalld { passes_all: false, trusted: vec!["192.0.2.0/24".to_owned()] });
    facts.missing_modules = vec!["br_netfilter".to_owned()];
    facts.can_load_modules = false;
    facts.network.closed_chains = vec![
        chain(Filter::Ufw, "ufw-user-input", ClosedHook::Input, &["lo"]),
        chain(Filter::Ufw, "ufw-user-forward", ClosedHook::Forward, &[]),
        chain(Filter::Nftables, "inet filter input", ClosedHook::Input, &["cni0"]),
        chain(Filter::Nftables, "inet filter forward", ClosedHook::Forward, &["10.0.0.0/24"]),
        chain(Filter::Iptables, "FORWARD", ClosedHook::Forward, &["cni*"]),
    ];
    facts.selinux = Some("enforcing".to_owned());
    facts.data_folder.kind = "nfs4".to_owned();
    facts.data_folder.mount = "/var/lib/landfall".to_owned();
    facts.data_folder.permanent = false;
    facts.leftovers = vec!["files in /etc/kubernetes".to_owned(), "the running program k3s".to_owned()];
    facts.collected_at = "2024-01-01T00:00:00Z".to_owned();
    let room = DataRoom { staged_bytes: 74 << 20, unpacked_bytes: 5 << 30, ..room() };
    let sizes = Sizes { room, unpacked_inodes: 20_000 };
    insta::assert_snapshot!(text(&blockers(&facts, &SiteConfiguration::default(), sizes)));
}

#[test]
fn busy_port_names_its_program() {
    let mut facts = sample();
    facts.network.ports_in_use = vec![22, 5000, 6443];
    facts.network.listeners.push(Listener { port: 6443, program: "k3s-server".to_owned(), pid: 812 });
    let found = blockers(&facts, &SiteConfiguration::default(), Sizes::default());
    let measured: Vec<&str> = found.iter().map(|blocker| blocker.measured.as_str()).collect();
    assert_eq!(measured, ["TCP 5000, 6443 (k3s-server, process 812)"]);
}

/// An unchecked item is neither wrong nor passed.
#[test]
fn unknown_facts_are_not_passed() {
    let mut facts = sample();
    let shown = |facts: &Facts| {
        let found = findings(facts, &release(), &SiteConfiguration::default(), Sizes::default());
        let passed = found.into_iter().filter(|finding| finding.severity == Severity::Passed);
        passed.map(|finding| finding.code_id()).collect::<Vec<_>>()
    };
    let of_new_facts = [
        codes::KERNEL_OPTIONS,
        codes::DISTRIBUTION,
        codes::ENDPOINT_SECURITY,
        codes::HARDWARE_CLOCK,
        codes::NO_BARRIERS,
    ];
    let known = shown(&facts);
    assert!(of_new_facts.iter().all(|code| known.contains(&code.id)), "{known:?}");
    (facts.missing_kernel_options, facts.ahead_of_hardware_clock_seconds) = (None, None);
    facts.operating_system = "unknown unknown".to_owned();
    facts.security.as_mut().unwrap().endpoint_programs = None;
    facts.filesystems[0].options.clear();
    // Facts of another filesystem say nothing about the data folder's.
    let boot =
        Filesystem { paths: vec!["/boot".to_owned()], options: vec!["rw".to_owned()], ..facts.filesystems[0].clone() };
    facts.filesystems.push(boot);
    let unknown = shown(&facts);
    assert!(of_new_facts.iter().all(|code| !unknown.contains(&code.id)), "{unknown:?}");
}

#[test]
fn facts_missing_in_older_schemas_are_named() {
    let unknown = |facts: &Facts| {
        let found = findings(facts, &release(), &SiteConfiguration::default(), Sizes::default());
        let unknown = found.into_iter().filter(|finding| finding.severity == Severity::Unknown);
        unknown.map(|finding| (finding.name, finding.measured)).collect::<Vec<_>>()
    };
    let mut facts = sample();
    assert_eq!(unknown(&facts), []);
    facts.missing_kernel_options = None;
    let measured = "its configuration is neither in /proc/config.gz nor in /boot nor in /lib/modules";
    assert_eq!(unknown(&facts), [("kernel-options".to_owned(), measured.to_owned())]);
    facts.security.as_mut().unwrap().endpoint_programs = None;
    let older: Vec<_> = unknown(&facts).into_iter().map(|(name, _)| name).collect();
    assert_eq!(older, ["kernel-options", "endpoint-security", "disk-barriers", "hardware-clock"]);
}

#[test]
fn busy_port_names_its_component() {
    let mut facts = sample();
    facts.network.ports_in_use = vec![31443, 9100];
    facts.network.listeners.push(Listener { port: 31443, program: "nginx".to_owned(), pid: 812 });
    facts.network.udp_ports_in_use = vec![9100, 30053];
    let port = |transport, number| HostPort { transport, number };
    let asked = HostPorts(BTreeMap::from([
        (port(Transport::Tcp, 31443), vec!["console: Service/landfall-console".to_owned()]),
        (port(Transport::Tcp, 30053), vec!["names: Service/dns".to_owned()]),
        (port(Transport::Udp, 30053), vec!["names: Service/dns".to_owned(), "shop: Service/dns".to_owned()]),
    ]));
    let (release, configuration, none) = (release(), SiteConfiguration::default(), HostPorts::default());
    let subject = Subject {
        facts: &facts,
        release: &release,
        configuration: &configuration,
        sizes: Sizes::default(),
        host_ports: &asked,
        built_at: BUILT,
    };
    let busy = |findings: Vec<Finding>| {
        let busy = findings.into_iter().filter(|finding| finding.code == codes::PORT_IN_USE);
        busy.map(|finding| finding.measured).collect::<Vec<_>>()
    };
    let measured = "TCP 31443 (nginx, process 812), for console: Service/landfall-console; \
                    UDP 30053, for names: Service/dns and shop: Service/dns";
    assert_eq!(busy(preflight(&subject)), [measured]);
    assert_eq!(busy(upgrade(&subject, Some(&EarlierSite { release: &release, host_ports: &none }), &[])), [measured]);
    let has_all = EarlierSite { release: &release, host_ports: &asked };
    assert!(busy(upgrade(&subject, Some(&has_all), &[])).is_empty(), "the site has them itself");
}

/// Upstream's kubelet needs glibc; the release declares the version in its last node pack.
#[test]
fn old_host_glibc_blocks() {
    let mut release = release();
    let mut pack = release.node_packs[0].clone();
    (release.node_packs[0].glibc, pack.glibc) = (Some("2.4".to_owned()), Some("2.34".to_owned()));
    release.node_packs.push(pack);
    let found = |release: &ReleaseDocument, facts: &Facts| {
        let found = findings(facts, release, &SiteConfiguration::default(), Sizes::default());
        let mut found = found.into_iter().filter(|finding| finding.code == codes::NODE_GLIBC_TOO_OLD);
        found.next().map(|finding| (finding.severity, finding.measured))
    };
    let of = |glibc: Option<&str>| Facts { glibc: glibc.map(str::to_owned), ..sample() };
    let with = |severity: Severity, measured: &str| Some((severity, measured.to_owned()));
    assert_eq!(found(&release, &of(Some("2.36"))), with(Severity::Passed, "glibc 2.36"));
    assert_eq!(found(&release, &of(Some("2.34"))), with(Severity::Passed, "glibc 2.34"));
    assert_eq!(found(&release, &of(Some("2.31"))), with(Severity::Blocker, "glibc 2.31"));
    assert_eq!(found(&release, &of(None)), with(Severity::Blocker, "another C library than glibc"));
    let mut reversed = release.clone();
    reversed.node_packs.reverse();
    assert_eq!(found(&reversed, &of(Some("2.31"))), with(Severity::Passed, "glibc 2.31"), "the last pack is installed");
    let older = Facts { security: None, ..of(None) };
    assert_eq!(found(&release, &older).map(|(severity, _)| severity), Some(Severity::Unknown));
    let (facts, configuration) = (of(Some("2.31")), SiteConfiguration::default());
    let sizes = Sizes::default();
    let host_ports = HostPorts::default();
    let subject = Subject {
        facts: &facts,
        release: &release,
        configuration: &configuration,
        sizes,
        host_ports: &host_ports,
        built_at: BUILT,
    };
    let before_upgrade = upgrade(&subject, None, &[]);
    assert!(before_upgrade.iter().any(|finding| finding.code == codes::NODE_GLIBC_TOO_OLD && finding.is_blocker()));

    let is_static = crate::plan::install::tests::release();
    assert_eq!(found(&is_static, &of(Some("2.31"))), None, "programs that are linked statically need no glibc");
}

/// Authorities made under a clock that is years ahead would be invalid after its correction, and they are made only
/// once.
#[test]
fn fast_clock_blocks_until_confirmed() {
    let found = |collected: &str, seen: Option<&str>| {
        let mut facts = sample();
        facts.collected_at = collected.to_owned();
        facts.clock_seen = seen.map(str::to_owned);
        blockers(&facts, &SiteConfiguration::default(), Sizes::default())
    };
    assert_eq!(text(&found("2030-11-29T00:00:00Z", None)), "", "five years in a warehouse");
    let ahead = found("2036-01-01T00:00:00Z", None);
    assert_eq!(
        text(&ahead),
        "[LF4120] The machine's clock cannot be right: 2036-01-01T00:00:00Z; needed: not later than \
         2030-11-30T00:00:00Z, five years after the newest time that is known\n    Set the clock (`timedatectl \
         set-time`); if it is right, run `install -D /dev/null /var/lib/landfall/node/clock` and try again.\n"
    );
    assert_eq!(text(&found("2036-01-01T00:00:00Z", Some("2036-01-01T00:00:00Z"))), "", "a person has confirmed it");
    assert_eq!(found("2036-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z")).len(), 1);
    let garbled = found("yesterday", None);
    assert_eq!(garbled.iter().map(Finding::code_id).collect::<Vec<_>>(), [codes::CLOCK_WRONG.id]);
}

#[test]
fn clock_set_back_only_warns() {
    let mut facts = sample();
    facts.collected_at = "2026-03-01T00:00:00Z".to_owned();
    let newest = |facts: &mut Facts, seen: &str| facts.clock_seen = Some(seen.to_owned());
    newest(&mut facts, "2026-03-01T00:04:00Z");
    assert!(warnings(&facts).is_empty(), "time servers correct a clock by less");
    newest(&mut facts, "2026-11-01T00:00:00Z");
    let warned = warnings(&facts);
    assert!(
        warned[0].measured.contains("says 2026-03-01T00:00:00Z, and this site has seen 2026-11-01T00:00:00Z"),
        "{warned:?}"
    );
    assert!(codes_of(&facts, &SiteConfiguration::default()).is_empty());
}

/// Without an authority, the release's build is the earliest possible time; afterwards it is the start of the
/// authority's validity.
#[test]
fn site_clock_must_be_plausible() {
    let folder = tempfile::tempdir().unwrap();
    let paths = landfall_host::paths::SitePaths::below(folder.path());
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let look = |now: &str| clock::of_site(&paths, BUILT, at(now)).map_err(|blocker| blocker.code_id());
    assert_eq!(look("2015-01-01T00:00:00Z"), Err(codes::CLOCK_WRONG.id));
    assert_eq!(look("2036-01-01T00:00:00Z"), Err(codes::NODE_CLOCK.id));
    assert_eq!(look("2026-01-01T00:00:00Z"), Ok(None));
    // The disk has newer files.
    landfall_media::durable::create_folder(&paths.journal()).unwrap();
    landfall_media::durable::write_file(&paths.journal().join("000001-install.journal"), b"", 0o600).unwrap();
    let now = jiff::Timestamp::now();
    let reset = clock::of_site(&paths, BUILT, now - jiff::SignedDuration::from_hours(24)).unwrap();
    assert!(reset.unwrap().contains("and this site has seen"));
    assert_eq!(clock::of_site(&paths, BUILT, now), Ok(None));
    let garbled = preflight_code("yesterday");
    assert_eq!(garbled, [codes::CLOCK_WRONG.id]);
}

fn preflight_code(collected_at: &str) -> Vec<&'static str> {
    let facts = Facts { collected_at: collected_at.to_owned(), ..sample() };
    codes_of(&facts, &SiteConfiguration::default())
}

#[test]
fn ambiguous_node_address_blocks() {
    let mut facts = sample();
    let second = landfall_host::facts::NodeAddress {
        interface: "eth1".to_owned(),
        address: [192, 168, 7, 2].into(),
        prefix: 24,
    };
    facts.network.addresses.push(second);
    let codes = |facts: &Facts, configuration: &SiteConfiguration| -> Vec<&str> {
        blockers(facts, configuration, Sizes::default()).iter().map(Finding::code_id).collect()
    };
    let mut configuration = SiteConfiguration::default();
    assert!(codes(&facts, &configuration).is_empty(), "the default route decides");
    facts.network.default_route = None;
    assert_eq!(codes(&facts, &configuration), [codes::ADDRESS_AMBIGUOUS.id]);
    configuration.node.address = Some([192, 168, 7, 2].into());
    assert!(codes(&facts, &configuration).is_empty());
    configuration.node.address = Some([192, 168, 7, 3].into());
    assert_eq!(codes(&facts, &configuration), [codes::ADDRESS_NOT_HERE.id]);
    facts.network.addresses.clear();
    assert_eq!(codes(&facts, &SiteConfiguration::default()), [codes::NO_ADDRESS.id]);
}

#[test]
fn separate_data_disk_is_measured_alone() {
    let mut facts = sample();
    facts.filesystems[0].paths.retain(|path| path != DATA);
    facts.filesystems[0].free_bytes = 300 << 20;
    let data = Filesystem { paths: vec![DATA.to_owned()], free_bytes: 4 << 30, ..facts.filesystems[0].clone() };
    facts.filesystems.push(data);
    let sizes = Sizes { room: room(), ..Sizes::default() };
    let found = blockers(&facts, &SiteConfiguration::default(), sizes);
    assert_eq!(found.len(), 1, "{}", text(&found));
    assert!(found[0].measured.ends_with(DATA) && found[0].code == codes::TOO_LITTLE_SPACE);
}

#[test]
fn firewalld_blocks_until_pods_are_trusted() {
    let mut facts = sample();
    let mut configuration = SiteConfiguration::default();
    let blocks = |facts: &Facts, configuration: &SiteConfiguration| {
        let found = blockers(facts, configuration, Sizes::default());
        found.iter().any(|blocker| blocker.code == codes::FIREWALL_CLOSED)
    };
    let trusting = |sources: &[&str]| {
        Some(Firewalld { passes_all: false, trusted: sources.iter().map(|source| (*source).to_owned()).collect() })
    };
    for (sources, blocked) in [
        ([].as_slice(), true),
        (&["10.244.0.0/16"], false),
        (&["10.0.0.0/8"], false),
        // Only some of the pods, or another address family.
        (&["10.244.0.0/24", "10.96.0.0/16", "::/0", "aa:bb:cc:dd:ee:ff"], true),
    ] {
        facts.network.firewalld = trusting(sources);
        assert_eq!(blocks(&facts, &configuration), blocked, "{sources:?}");
    }
    facts.network.firewalld = trusting(&["10.244.0.0/16"]);
    configuration.network.pod_ranges = vec!["10.50.0.0/16".parse().unwrap()];
    assert!(blocks(&facts, &configuration), "other pods than the default ones");
    facts.network.firewalld = Some(Firewalld { passes_all: true, trusted: Vec::new() });
    assert!(!blocks(&facts, &configuration));
}

fn chain(filter: Filter, name: &str, hook: ClosedHook, accepts: &[&str]) -> ClosedChain {
    ClosedChain {
        filter,
        name: name.to_owned(),
        hook,
        accepts: accepts.iter().map(|from| (*from).to_owned()).collect(),
        accepts_to: Some(Vec::new()),
        drops: Vec::new(),
        drops_to: Vec::new(),
    }
}

#[test]
fn chain_closed_to_pods_warns() {
    let warned = |accepts: &[&str], to: &[&str], hook| {
        let mut facts = sample();
        let mut chain = chain(Filter::Nftables, "inet filter forward", hook, accepts);
        chain.accepts_to = Some(to.iter().map(|one| (*one).to_owned()).collect());
        facts.network.closed_chains = vec![chain];
        let found = findings(&facts, &release(), &SiteConfiguration::default(), Sizes::default());
        found.into_iter().find(|finding| finding.code == codes::FIREWALL_INBOUND)
    };
    let finding = warned(&["cni0"], &[], ClosedHook::Forward).unwrap();
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(finding.commands[0], "nft insert rule inet filter forward oifname cni0 accept");
    for (accepts, to, hook) in [
        (["cni0"].as_slice(), ["cni0"].as_slice(), ClosedHook::Forward),
        (&["cni0"], &["10.244.0.0/16"], ClosedHook::Forward),
        (&["*"], &[], ClosedHook::Forward),
        (&["cni0", "lo"], &[], ClosedHook::Input),
        // Packets from pods are dropped as well, so the blocker names both.
        (&[], &[], ClosedHook::Forward),
    ] {
        assert_eq!(warned(accepts, to, hook), None, "{accepts:?} {to:?} {hook:?}");
    }
}

/// A rule that drops pods' packets by name does so regardless of the chain's other rules. Rules about other addresses
/// do not matter.
#[test]
fn named_drops_block_or_warn() {
    let found = |drops: &[&str], drops_to: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut closed = chain(Filter::Iptables, "FORWARD", ClosedHook::Forward, &["*"]);
        (closed.accepts_to, closed.drops, closed.drops_to) = (Some(owned(&["*"])), owned(drops), owned(drops_to));
        let mut facts = sample();
        facts.network.closed_chains = vec![closed];
        let found = findings(&facts, &release(), &SiteConfiguration::default(), Sizes::default());
        let is_about = |finding: &&Finding| {
            [codes::FIREWALL_CLOSED, codes::FIREWALL_INBOUND].iter().any(|code| finding.code == *code)
                && finding.severity != Severity::Passed
        };
        let code_and_command = |finding: &Finding| (finding.code_id(), finding.commands[0].clone());
        found.iter().filter(is_about).map(code_and_command).collect::<Vec<_>>()
    };
    let blocks = (codes::FIREWALL_CLOSED.id, "iptables -I FORWARD -i cni0 -j ACCEPT".to_owned());
    for drops in [["cni0"], ["cni*"], ["flannel.1"], ["10.0.0.0/8"], ["10.244.3.0/24"]] {
        assert_eq!(found(&drops, &[]), std::slice::from_ref(&blocks), "{drops:?}");
    }
    let warns = (codes::FIREWALL_INBOUND.id, "iptables -I FORWARD -o cni0 -j ACCEPT".to_owned());
    assert_eq!(found(&[], &["cni0"]), [warns]);
    assert_eq!(found(&["192.0.2.0/24", "eth0", "cni"], &["docker0", "203.0.113.7/32"]), []);
}

#[test]
fn older_facts_are_reported_as_unknown() {
    let look = |facts: &Facts| findings(facts, &release(), &SiteConfiguration::default(), Sizes::default());
    let of = |findings: &[Finding], code: landfall_error_codes::Code| {
        let found = findings.iter().filter(|finding| finding.code == code);
        found.map(|finding| (finding.severity, finding.measured.clone())).collect::<Vec<_>>()
    };
    let unknown = [(Severity::Unknown, "not known from facts of schema 2 and older".to_owned())];
    let mut facts = Facts { security: None, cpu: None, ..sample() };
    let mut open = chain(Filter::Nftables, "inet filter forward", ClosedHook::Forward, &["cni0"]);
    open.accepts_to = None;
    facts.network.closed_chains = vec![open.clone()];
    let found = look(&facts);
    assert_eq!(of(&found, codes::PROGRAM_RULES), unknown);
    assert_eq!(of(&found, codes::FIREWALL_INBOUND), unknown);
    assert!(!found.iter().any(Finding::stops), "{found:?}");

    // A chain that is known to be closed is reported, even if another chain is unknown.
    let closed = chain(Filter::Nftables, "inet other forward", ClosedHook::Forward, &["cni0"]);
    facts.network.closed_chains.push(closed);
    let warned = of(&look(&facts), codes::FIREWALL_INBOUND);
    assert!(matches!(&warned[..], [(Severity::Warning, measured)] if !measured.contains("inet filter forward")));
    // Older facts are judged if they contain enough data.
    open.accepts = vec!["*".to_owned()];
    facts.network.closed_chains = vec![open];
    assert_eq!(of(&look(&facts), codes::FIREWALL_INBOUND), []);
}

/// Returns the codes of all blockers of a host.
fn codes_of(facts: &Facts, configuration: &SiteConfiguration) -> Vec<&'static str> {
    let found = blockers(facts, configuration, Sizes::default());
    found.iter().map(Finding::code_id).collect()
}

#[test]
fn closed_chain_blocks_until_pods_pass() {
    for (hook, accepts, blocked) in [
        (ClosedHook::Forward, [].as_slice(), true),
        (ClosedHook::Forward, &["cni0"], false),
        (ClosedHook::Forward, &["cni*"], false),
        (ClosedHook::Forward, &["10.244.0.0/16"], false),
        (ClosedHook::Forward, &["10.244.0.0/24", "cni1", "flannel.1"], true),
        (ClosedHook::Forward, &["*"], false),
        // The host's packets to itself also pass the input chain.
        (ClosedHook::Input, &["cni0"], true),
        (ClosedHook::Input, &["cni0", "lo"], false),
        (ClosedHook::Input, &["*"], false),
    ] {
        let mut facts = sample();
        facts.network.closed_chains = vec![chain(Filter::Nftables, "inet filter some", hook, accepts)];
        let expected = if blocked { vec![codes::FIREWALL_CLOSED.id] } else { Vec::new() };
        assert_eq!(codes_of(&facts, &SiteConfiguration::default()), expected, "{hook:?} {accepts:?}");
    }
}

#[test]
fn flushing_firewall_only_warns() {
    let mut facts = sample();
    assert!(warnings(&facts).is_empty());
    facts.network.flushes_ruleset = true;
    assert!(warnings(&facts)[0].measured.contains("`flush ruleset`"));
    assert!(codes_of(&facts, &SiteConfiguration::default()).is_empty());
}

#[test]
fn ipv6_is_refused() {
    let refused = [codes::IPV6_UNSUPPORTED.id];
    let mut facts = sample();
    let mut configuration = SiteConfiguration::default();
    configuration.network.pod_ranges = vec!["10.244.0.0/16".parse().unwrap(), "fd00:1::/48".parse().unwrap()];
    assert_eq!(codes_of(&facts, &configuration), refused);
    configuration.network.pod_ranges.clear();
    configuration.network.service_ranges = vec!["fd00:2::/108".parse().unwrap()];
    assert_eq!(codes_of(&facts, &configuration), refused);
    configuration.network.service_ranges.clear();
    configuration.node.address = Some("2001:db8::1".parse().unwrap());
    assert_eq!(codes_of(&facts, &configuration), refused);
    configuration.node.address = None;
    let mut second = facts.network.addresses[0].clone();
    second.address = "2001:db8::1".parse().unwrap();
    facts.network.addresses.push(second);
    assert!(codes_of(&facts, &configuration).is_empty(), "an IPv6 address beside an IPv4 one");
    facts.network.addresses.remove(0);
    assert_eq!(codes_of(&facts, &configuration), refused);
}

#[test]
fn selinux_blocks_only_when_enforcing() {
    let mut facts = sample();
    facts.selinux = Some("permissive".to_owned());
    assert!(codes_of(&facts, &SiteConfiguration::default()).is_empty());
    facts.selinux = Some("enforcing".to_owned());
    assert_eq!(codes_of(&facts, &SiteConfiguration::default()), [codes::SELINUX_ENFORCING.id]);
}

#[test]
fn data_folder_needs_permanent_local_filesystem() {
    for (kind, without_ftype, blocked) in [
        ("ext4", false, false),
        ("xfs", false, false),
        ("xfs", true, true),
        ("btrfs", false, false),
        ("nfs", false, true),
        ("nfs4", false, true),
        ("overlay", false, true),
        ("tmpfs", false, true),
        ("vfat", false, true),
        ("fuseblk", false, true),
        ("zfs", false, true),
        ("ext3", false, true),
        ("bcachefs", false, true),
        ("tomorrowfs", false, true),
    ] {
        let mut facts = sample();
        facts.data_folder.kind = kind.to_owned();
        facts.data_folder.xfs_without_ftype = without_ftype;
        let expected = if blocked { vec![codes::DATA_FILESYSTEM.id] } else { Vec::new() };
        assert_eq!(codes_of(&facts, &SiteConfiguration::default()), expected, "{kind}");
    }
    let mut facts = sample();
    facts.data_folder.kind = "fuseblk".to_owned();
    let found = blockers(&facts, &SiteConfiguration::default(), Sizes::default());
    let why = "/var/lib/landfall is on fuseblk, a filesystem in user space, which ends with the program that serves it";
    assert_eq!(found.first().map(|blocker| blocker.measured.as_str()), Some(why));
    let mut facts = sample();
    facts.data_folder.permanent = false;
    assert_eq!(codes_of(&facts, &SiteConfiguration::default()), [codes::MOUNT_NOT_PERMANENT.id]);
}

#[test]
fn noexec_blocks_only_program_folders() {
    let mut facts = sample();
    let codes = |facts: &Facts| -> Vec<&str> {
        let found = blockers(facts, &SiteConfiguration::default(), Sizes::default());
        found.iter().map(Finding::code_id).collect()
    };
    facts.filesystems[0].no_exec = vec!["/var/log".to_owned(), "/etc".to_owned()];
    assert!(codes(&facts).is_empty(), "nothing runs there");
    facts.filesystems[0].no_exec = vec![DATA.to_owned()];
    assert_eq!(codes(&facts), [codes::NO_EXEC.id]);
}

#[test]
fn kernel_versions_are_parsed() {
    for (release, version) in [("6.1.0-18-amd64", (6, 1)), ("5.14.0-427.el9", (5, 14)), ("6.18.44-fc-v657", (6, 18))] {
        assert_eq!(two_numbers(release), Some(version));
    }
    assert_eq!(two_numbers("unknown"), None);
}

#[test]
fn upgrade_without_peak_space_is_blocked() {
    let peak = |folder: &str, needed_bytes, needed_inodes| FilesystemPeak {
        folder: folder.to_owned(),
        needed_bytes,
        free_bytes: 5 << 30,
        needed_inodes,
        free_inodes: Some(100_000),
        parts: vec![PeakPart { purpose: "for a backup".to_owned(), bytes: needed_bytes }],
    };
    let fitting = peak("/var/lib/landfall", 5 << 30, 100_000);
    assert!(upgrade_space(&sample(), std::slice::from_ref(&fitting)).is_empty());
    let peaks = [fitting, peak("/mnt/backups", (5 << 30) + 1, 1), peak("/mnt/small", 1, 100_001)];
    let found = upgrade_space(&sample(), &peaks);
    insta::assert_snapshot!(text(&found));
    let mut facts = sample();
    facts.filesystems[0].read_only = true;
    let codes: Vec<&str> = upgrade_space(&facts, &[]).iter().map(Finding::code_id).collect();
    assert_eq!(codes, [codes::READ_ONLY.id]);
}
