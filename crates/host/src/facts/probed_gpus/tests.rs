use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::sample;
use super::*;

/// A host with a site and a loaded driver, at this time since boot.
struct Host {
    _folder: tempfile::TempDir,
    paths: SitePaths,
}

impl Host {
    fn new() -> Self {
        let (folder, paths) = sample::host(&[("/run/landfall/nameservers", "")]);
        let host = Self { _folder: folder, paths };
        host.at("0a1b", "100.25");
        host
    }

    fn at(&self, boot: &str, uptime: &str) {
        for (path, text) in [("/proc/sys/kernel/random/boot_id", boot), ("/proc/uptime", uptime)] {
            let path = self.paths.host(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            durable::write_file(&path, format!("{text}\n").as_bytes(), 0o644).unwrap();
        }
    }

    /// Returns the result for a status, and true if the library was queried for it.
    fn recent(&self, driver: &str, answer: &GpuReport) -> (ProbedGpus, bool) {
        let asked = Cell::new(false);
        let probed = recent(&self.paths, kernel(driver), TIME_LIMIT, |_, _| {
            asked.set(true);
            answer.clone()
        });
        (probed, asked.get())
    }
}

/// Returns the kernel's facts of this driver.
fn kernel(driver: &str) -> KernelFacts {
    let version = Some(driver.parse().unwrap());
    let driver = DriverState { version, module_loaded: true, ..DriverState::default() };
    KernelFacts { hardware: landfall_gpu_facts::hardware::Hardware::default(), driver }
}

fn machine(name: &str) -> GpuReport {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines");
    GpuReport::read(&fs_err::read(format!("{folder}/{name}.json")).unwrap()).unwrap()
}

const DRIVER: &str = "580.159.04";

#[test]
fn library_is_asked_once_a_minute() {
    let (host, first, second) = (Host::new(), machine("two-l4"), machine("lost"));
    let (found, asked) = host.recent(DRIVER, &first);
    assert_eq!((&found.report, found.age, asked), (&first, Duration::ZERO, true));
    host.at("0a1b", "142.75");
    let (kept, asked) = host.recent(DRIVER, &second);
    assert_eq!((&kept.report, kept.age, asked), (&first, Duration::from_millis(42_500), false));
    assert_eq!(kept.at, found.at);
    host.at("0a1b", "160.25");
    assert_eq!(host.recent(DRIVER, &second).0.report, second, "a minute is over");
    assert_eq!(host.recent(DRIVER, &first).0.report, second);
}

type Change = fn(&Host);

#[test]
fn stale_probe_is_repeated() {
    let (first, second) = (machine("two-l4"), machine("lost"));
    let changes: [(&str, Change); 4] = [
        ("a boot", |host| host.at("ffff", "101.00")),
        ("a time before", |host| host.at("0a1b", "3.00")),
        ("damage", |host| durable::write_file(&host.paths.probed_gpus(), b"{\"report\": 7}", 0o600).unwrap()),
        ("no file", |host| fs_err::remove_file(host.paths.probed_gpus()).unwrap()),
    ];
    for (what, change) in changes {
        let host = Host::new();
        assert!(host.recent(DRIVER, &first).1 && !host.recent(DRIVER, &second).1);
        change(&host);
        let (found, asked) = host.recent(DRIVER, &second);
        assert!(asked && found.report == second, "{what}");
    }
    let host = Host::new();
    assert!(host.recent(DRIVER, &first).1 && host.recent("590.44.01", &second).1, "the driver was replaced");
}

#[test]
fn hung_library_waits_ten_minutes() {
    let (host, hung) = (Host::new(), machine("hangs"));
    assert!(matches!(hung.nvml, NvmlState::TimedOut(_)));
    assert!(host.recent(DRIVER, &hung).1);
    host.at("0a1b", "690.00");
    assert!(!host.recent(DRIVER, &hung).1);
    host.at("0a1b", "700.25");
    assert!(host.recent(DRIVER, &hung).1);
}

#[test]
fn shortened_query_is_no_hang() {
    let (hung, answered) = (machine("hangs").nvml, machine("two-l4").nvml);
    let short = Duration::from_millis(300);
    assert!(is_cut_short(&hung, short, TIME_LIMIT) && !is_cut_short(&answered, short, TIME_LIMIT));
    assert!(!is_cut_short(&hung, Duration::from_secs(6), TIME_LIMIT));
}

#[test]
fn host_without_site_keeps_nothing() {
    let (_folder, paths) =
        sample::host(&[("/proc/uptime", "100.25 7.00"), ("/proc/sys/kernel/random/boot_id", "0a1b")]);
    let asked = Cell::new(0);
    for _ in 0..2 {
        recent(&paths, kernel(DRIVER), TIME_LIMIT, |_, _| {
            asked.set(asked.get() + 1);
            machine("two-l4")
        });
    }
    assert_eq!((asked.get(), paths.run().exists()), (2, false));
}

#[test]
fn concurrent_callers_ask_once() {
    let (host, asked) = (Host::new(), AtomicUsize::new(0));
    let look = || {
        recent(&host.paths, kernel(DRIVER), TIME_LIMIT, |_, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(300));
            machine("two-l4")
        })
    };
    std::thread::scope(|scope| {
        let both = [scope.spawn(look), scope.spawn(look)].map(|one| one.join().unwrap().report);
        assert!(both.iter().all(|report| *report == machine("two-l4")));
    });
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn waiting_ends_at_limit() {
    let host = Host::new();
    let limit = Duration::from_millis(200);
    let held = Turn::take(&host.paths, Instant::now()).unwrap();
    let begun = Instant::now();
    let found = recent(&host.paths, kernel(DRIVER), limit, |kernel, left| {
        kernel.query(std::path::Path::new("/nonexistent"), left)
    });
    assert!(begun.elapsed() >= limit && begun.elapsed() < TIME_LIMIT, "{:?}", begun.elapsed());
    assert!(matches!(found.report.nvml, NvmlState::TimedOut(_)), "{:?}", found.report.nvml);
    drop(held);
    assert!(StoredProbe::read(&host.paths).is_none(), "what was not asked is not kept");
}
