use super::*;
use crate::facts::UnreachableSource;

const ALL: [Work; 7] =
    [Work::Compile, Work::Program, Work::Lint, Work::Tests, Work::Browser, Work::Parts, Work::Machines];

/// A machine that lacks nothing.
fn ready() -> Facts {
    Facts {
        is_root: true,
        system: System {
            id: "debian".to_owned(),
            version: "13".to_owned(),
            name: "Debian 13".to_owned(),
            has_apt_sources: true,
        },
        architecture: "x86_64".to_owned(),
        rust: Some(Rust {
            version: (1, 95, 0),
            wanted: (1, 95, 0),
            has_rustup: true,
            has_target: true,
            missing_components: Vec::new(),
        }),
        missing_packages: BTreeSet::new(),
        missing_programs: BTreeSet::new(),
        go: Some(Go { version: (1, 26, 8), toolchain: "local".to_owned() }),
        go_wanted: (1, 26, 8),
        has_pip: true,
        missing_browser: BTreeSet::new(),
        memory_bytes: 8 * GIB - GIB / 3,
        disks: vec![Disk { folder: "/".into(), free_bytes: 31 * GIB, has_clone: true, has_cache: true }],
        is_warm: false,
        has_loop_devices: true,
        cgroups: Cgroups::Delegable,
        missing_modules: BTreeSet::new(),
        loopback_proxy: None,
        unreachable: Vec::new(),
    }
}

/// A machine that lacks nothing, with one change.
fn but(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = ready();
    change(&mut facts);
    facts
}

fn find_work(facts: &Facts, works: &[Work]) -> Vec<Finding> {
    findings(facts, &works.iter().copied().collect())
}

type Change = fn(&mut Facts);

/// Each item that may be missing, the words that name it, and the work that does not need it.
const MISSING: &[(Change, &str, &[Work])] = &[
    (|facts| facts.is_root = false, "root:", &[Work::Compile, Work::Program]),
    (|facts| facts.system.id = "fedora".to_owned(), "Debian 12 or Ubuntu 22.04", &[Work::Compile]),
    (|facts| facts.system.version = "11".to_owned(), "Debian 12 or Ubuntu 22.04", &[Work::Compile]),
    (|facts| facts.system.has_apt_sources = false, "apt's configuration", &[Work::Compile]),
    (|facts| facts.architecture = "aarch64".to_owned(), "x86-64", &[]),
    (|facts| facts.rust = None, "rustc cannot be started", &[]),
    (|facts| facts.rust.as_mut().unwrap().version = (1, 85, 0), "Rust 1.95.0 or newer: this one is 1.85.0", &[]),
    (|facts| facts.rust.as_mut().unwrap().has_target = false, TARGET, &[]),
    (|facts| facts.rust.as_mut().unwrap().missing_components = vec!["clippy"], "clippy", &[Work::Compile, Work::Parts]),
    (|facts| facts.missing_packages = BTreeSet::from(["musl-tools"]), "musl-tools", &[]),
    (|facts| facts.missing_programs = BTreeSet::from([("gcc", "gcc")]), "gcc in PATH", &[]),
    (|facts| facts.go = None, "go cannot be started", &[Work::Compile, Work::Program, Work::Machines]),
    (|facts| facts.go.as_mut().unwrap().version = (1, 22, 1), "GOTOOLCHAIN=local", &[Work::Compile, Work::Machines]),
    (|facts| facts.go.as_mut().unwrap().version = (1, 19, 8), "this one is 1.19.8", &[Work::Compile, Work::Machines]),
    (|facts| facts.has_pip = false, "python3-pip", &[Work::Compile, Work::Machines]),
    (|facts| facts.missing_browser = BTreeSet::from(["chromium", "npm"]), "Debian packages: chromium npm", &[]),
    (|facts| facts.memory_bytes = 4 * GIB, "8 GiB of memory", &[Work::Compile, Work::Parts]),
    (|facts| facts.disks[0].free_bytes = 20 * GIB, "31.0 GiB of free disk", &[Work::Compile, Work::Program]),
    (|facts| facts.has_loop_devices = false, "loop devices", &[Work::Compile, Work::Parts]),
    (|facts| facts.cgroups = Cgroups::Occupied, "EBUSY", &[Work::Compile, Work::Parts]),
    (|facts| facts.cgroups = Cgroups::NoVersion2, "version 2", &[Work::Compile, Work::Parts]),
    (|facts| facts.cgroups = Cgroups::ReadOnly, "read-only", &[Work::Compile, Work::Parts]),
    (|facts| facts.missing_modules = BTreeSet::from(["vxlan"]), "vxlan", &[Work::Compile, Work::Parts]),
    (
        |facts| facts.loopback_proxy = Some("http://p".to_owned()),
        "the proxy http://p",
        &[Work::Compile, Work::Machines],
    ),
    (
        |facts| {
            let command = "go list".to_owned();
            facts.unreachable = vec![UnreachableSource { what: "Go modules", command, reason: "no route".to_owned() }];
        },
        "access to Go modules: no route",
        &[],
    ),
];

#[test]
fn ready_machine_lacks_nothing() {
    assert_eq!(find_work(&ready(), &ALL), []);
}

#[test]
fn missing_items_have_help() {
    for (change, words, _) in MISSING {
        let findings = find_work(&but(change), &ALL);
        assert_eq!(findings.len(), 1, "{words}: {findings:?}");
        assert!(findings[0].what.contains(words), "{words}: {findings:?}");
        assert!(findings[0].help.iter().any(|help| !help.is_empty()), "{findings:?}");
    }
}

#[test]
fn unaffected_work_is_allowed() {
    for (change, words, works) in MISSING.iter().filter(|(_, _, works)| !works.is_empty()) {
        assert_eq!(find_work(&but(change), works), [], "{words}");
    }
}

#[test]
fn missing_items_are_named_together() {
    let worst = but(|facts| {
        facts.is_root = false;
        facts.system.has_apt_sources = false;
        facts.rust.as_mut().unwrap().has_target = false;
        facts.missing_packages = BTreeSet::from(["mmdebstrap"]);
        facts.go = None;
        facts.memory_bytes = GIB;
        facts.disks[0].free_bytes = GIB;
        facts.has_loop_devices = false;
        facts.cgroups = Cgroups::ReadOnly;
        facts.missing_modules = BTreeSet::from(["vxlan"]);
        facts.loopback_proxy = Some("http://p".to_owned());
    });
    assert_eq!(find_work(&worst, &ALL).len(), 11);
}

#[test]
fn installing_needs_root_or_rustup() {
    let packages = but(|facts| facts.missing_packages = BTreeSet::from(["gcc"]));
    assert_eq!(find_work(&packages, &ALL)[0].remedy, Remedy::Packages(BTreeSet::from(["gcc"])));
    let person = Facts { is_root: false, ..packages };
    assert_eq!(find_work(&person, &[Work::Compile, Work::Program])[0].remedy, Remedy::Person);

    let target = but(|facts| facts.rust.as_mut().unwrap().has_target = false);
    assert_eq!(find_work(&target, &ALL)[0].remedy, Remedy::Target);
    let distribution = but(|facts| {
        facts.rust.as_mut().unwrap().has_target = false;
        facts.rust.as_mut().unwrap().has_rustup = false;
    });
    assert_eq!(find_work(&distribution, &ALL)[0].remedy, Remedy::Person);
}

#[test]
fn browser_remedy_depends_on_distribution() {
    let debian = but(|facts| facts.missing_browser = BTreeSet::from(["chromium", "chromium-driver", "npm"]));
    let findings = find_work(&debian, &ALL);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].remedy, Remedy::Packages(debian.missing_browser.clone()));
    let mut ubuntu = debian;
    ubuntu.system.id = "ubuntu".to_owned();
    ubuntu.system.version = "24.04".to_owned();
    let findings = find_work(&ubuntu, &ALL);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(findings[0].remedy, Remedy::Packages(BTreeSet::from(["npm"])));
    assert!(findings[1].what.contains("chromedriver in PATH") && findings[1].remedy == Remedy::Person);
}

#[test]
fn supported_systems_are_accepted() {
    for (id, version) in [("debian", "12"), ("debian", "13"), ("debian", ""), ("ubuntu", "22.04"), ("ubuntu", "24.04")]
    {
        let facts = but(|facts| {
            facts.system.id = id.to_owned();
            facts.system.version = version.to_owned();
        });
        assert_eq!(find_work(&facts, &ALL), [], "{id} {version}");
    }
}

#[test]
fn old_go_with_toolchain_suffices() {
    let facts = but(|facts| facts.go = Some(Go { version: (1, 22, 1), toolchain: "auto".to_owned() }));
    assert_eq!(find_work(&facts, &ALL), []);
}

#[test]
fn full_disk_allows_removal() {
    let full = but(|facts| facts.disks[0].free_bytes = 0);
    assert_eq!(find_work(&full, &[Work::Removal]), []);
    assert_eq!(find_work(&full, &[Work::Compile]).len(), 1);
}

#[test]
fn warm_cache_needs_less_space() {
    let warm = but(|facts| {
        facts.is_warm = true;
        facts.disks[0].free_bytes = 20 * GIB;
    });
    assert_eq!(find_work(&warm, &ALL), []);
    let apart = but(|facts| {
        facts.disks = vec![
            Disk { folder: "/clone".into(), free_bytes: 17 * GIB, has_clone: true, has_cache: false },
            Disk { folder: "/cache".into(), free_bytes: 4 * GIB, has_clone: false, has_cache: true },
        ];
    });
    let findings = find_work(&apart, &ALL);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].what.contains("/cache: 4.0 GiB are free"), "{findings:?}");
}
