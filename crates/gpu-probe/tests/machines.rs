//! Tests of `landfall-gpu` as a program, on machines simulated by file trees and a library in C.
//!
//! Its output is stored in `crates/gpu-facts/testdata/machines`, where the judgments are tested on every target. Here,
//! the program must print exactly that. A static program cannot load a library, so these tests are only for glibc.
//! `LANDFALL_KEEP_FACTS=1` rewrites the documents.
#![cfg(target_env = "gnu")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use landfall_gpu_facts::hardware::{MELLANOX, NVIDIA};
use landfall_gpu_facts::report::{NotAsked, NvmlFailureKind};
use landfall_gpu_facts::sample::Tree;
use landfall_gpu_facts::{GpuReport, NvmlState, Outcome};

const PROGRAM: &str = env!("CARGO_BIN_EXE_landfall-gpu");
const KEEP: &str = "LANDFALL_KEEP_FACTS";
const GPU_CLASS: u32 = 0x03_0200;
const SWITCH_CLASS: u32 = 0x06_8000;
const ADAPTER_CLASS: u32 = 0x02_0700;

/// Builds the library that simulates machines: a current one, or that of a driver before 510.
fn library(is_old: bool) -> &'static Path {
    static LIBRARIES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    let build = |name: &str, define: &str| {
        let (source, library) = (Path::new("tests/machines/nvml.c"), Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let flags = ["-shared", "-fPIC", "-Wall", "-Werror", define, "-o"];
        let status = Command::new("cc").args(flags).arg(&library).arg(source).status().expect("a C compiler");
        assert!(status.success(), "the library is built");
        library
    };
    let libraries = LIBRARIES.get_or_init(|| [build("nvml.so", "-DNEW_DRIVER"), build("nvml-old.so", "-DOLD_DRIVER")]);
    &libraries[usize::from(is_old)]
}

/// Runs the program on a tree, with the library as a machine.
fn run(tree: &Tree, machine: &str) -> Output {
    Command::new(PROGRAM)
        .arg("--root")
        .arg(tree.path())
        .arg("--nvml")
        .arg(library(machine == "old-driver"))
        .args(["--time-limit", if machine == "hangs" { "2" } else { "60" }])
        .env("STUB_MACHINE", machine)
        .output()
        .expect("the program runs")
}

/// Returns the program's output. It must exit with 0 and print nothing else.
fn facts(tree: &Tree, machine: &str) -> GpuReport {
    let output = run(tree, machine);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{machine}");
    GpuReport::read(&output.stdout).unwrap_or_else(|error| panic!("{machine}: {error:?}"))
}

/// Compares the program's output with the stored document, or stores it.
#[expect(clippy::disallowed_methods, reason = "a file of the project's own tree, which git keeps")]
fn check(tree: &Tree, machine: &str, name: &str) {
    let printed = facts(tree, machine).to_json().expect("JSON");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../gpu-facts/testdata/machines/{name}.json"));
    if std::env::var_os(KEEP).is_some() {
        std::fs::write(&path, &printed).expect("kept");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(printed == kept, "{name}: the program prints other facts than are kept in {}:\n{printed}", path.display());
}

/// Returns a tree with GPUs on its bus.
fn tree(gpus: &[(&str, u32)]) -> Tree {
    gpus.iter().fold(Tree::empty(), |tree, (address, device)| tree.pci(address, NVIDIA, *device, GPU_CLASS))
}

/// Maximum time of the program, whatever the library does.
const LIMIT: Duration = Duration::from_secs(5);

const ONE: &str = "0000:01:00.0";
const TWO: &str = "0000:02:00.0";

/// Returns the tree of a machine with eight GPUs on its bus, and their driver.
fn eight(device: u32) -> Tree {
    let addresses: Vec<String> = (1..=8).map(|bus| format!("0000:0{bus}:00.0")).collect();
    let gpus: Vec<(&str, u32)> = addresses.iter().map(|address| (address.as_str(), device)).collect();
    let names: Vec<&str> = addresses.iter().map(String::as_str).collect();
    tree(&gpus).nvidia_driver("580.159.04", &names).file("proc/1/comm", "systemd\n")
}

/// Returns the tree of a machine with eight GPUs and four switches.
fn eight_h100() -> Tree {
    (0x21..=0x24)
        .fold(eight(0x2330), |tree, bus| tree.pci(&format!("0000:{bus:02x}:00.0"), NVIDIA, 0x22a3, SWITCH_CLASS))
}

/// Returns the tree of a machine with eight GPUs, and adapters that stand for two switches; another adapter of the same
/// model is for the network.
fn eight_b200() -> Tree {
    let adapters = [(0x21, "PN=P3740"), (0x22, "SMDL=SW_MNG"), (0x23, "SMDL=SW_MNG")];
    adapters.into_iter().fold(eight(0x2901), |tree, (bus, product)| {
        let address = format!("0000:{bus:02x}:00.0");
        tree.pci(&address, MELLANOX, 0x1021, ADAPTER_CLASS)
            .file(&format!("sys/bus/pci/devices/{address}/vpd"), format!("NVIDIA ConnectX-7\0{product}"))
    })
}

#[test]
fn machines_without_driver_have_facts() {
    check(&Tree::empty(), "two-l4", "none");
    check(
        &tree(&[(ONE, 0x27b8)]).held_by(ONE, "nouveau").file("sys/module/nouveau/refcnt", "4\n"),
        "two-l4",
        "no-driver",
    );
    let jetson = Tree::empty()
        .file("proc/device-tree/compatible", "nvidia,p3701-0005\0nvidia,tegra234\0")
        .file("proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0");
    check(&jetson, "two-l4", "jetson");
}

#[test]
fn machines_with_driver_have_facts() {
    let one = |device, version| tree(&[(ONE, device)]).nvidia_driver(version, &[ONE]);
    let two = |first, second| tree(&[(ONE, first), (TWO, second)]).nvidia_driver("580.159.04", &[ONE, TWO]);
    check(&one(0x1eb8, "470.256.02"), "old-driver", "old-driver");
    check(&one(0x20b0, "570.133.20"), "a100-mig", "a100-mig");
    check(&two(0x27b8, 0x27b8).file("proc/4242/comm", "vllm\n"), "two-l4", "two-l4");
    check(&two(0x2335, 0x1db6), "mixed", "mixed");
    check(&one(0x20b0, "580.159.04"), "ecc-errors", "ecc-errors");
    check(&one(0x20b0, "570.133.20"), "vgpu", "vgpu");
    check(&one(0x3300, "700.12.01"), "newer", "newer");
}

#[test]
fn machines_with_switches_have_facts() {
    check(&eight_h100().file("proc/99/comm", "nv-fabricmanage\n"), "h100-nvswitch", "h100-nvswitch");
    check(&eight_h100(), "h100-nvswitch", "h100-nvswitch-no-fabric-manager");
    check(&eight_b200().file("proc/99/comm", "nv-fabricmanage\n"), "b200-nvswitch", "b200-nvswitch");
    check(&eight_b200(), "b200-nvswitch", "b200-nvswitch-no-fabric-manager");
}

#[test]
fn failing_drivers_have_facts() {
    let one = || tree(&[(ONE, 0x27b8)]).nvidia_driver("580.159.04", &[ONE]);
    let two = tree(&[(ONE, 0x27b8), (TWO, 0x27b8)]).nvidia_driver("580.159.04", &[ONE, TWO]);
    check(&two.file(&format!("sys/bus/pci/devices/{TWO}/config"), [0xff; 64]), "lost", "lost");
    check(&one(), "denied", "denied");
    check(&one(), "mismatch", "mismatch");
    check(&one(), "crashes", "crashes");
    check(&one(), "ends", "ends");
    check(&one(), "floods", "floods");
}

#[test]
fn hung_library_respects_time_limit() {
    let begun = Instant::now();
    check(&tree(&[(ONE, 0x27b8)]).nvidia_driver("580.159.04", &[ONE]), "hangs", "hangs");
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}

/// Apart from the wait, half a second remains. The machine's processors may be busy, so one success in three attempts
/// suffices.
#[test]
fn hung_library_ends_within_five_seconds() {
    let tree = tree(&[(ONE, 0x27b8)]).nvidia_driver("580.159.04", &[ONE]);
    let taken = || {
        let begun = Instant::now();
        let mut command = Command::new(PROGRAM);
        command.arg("--root").arg(tree.path()).arg("--nvml").arg(library(false)).env("STUB_MACHINE", "hangs");
        let output = command.output().expect("runs");
        let taken = begun.elapsed();
        assert_eq!(GpuReport::read(&output.stdout).expect("facts").nvml, NvmlState::TimedOut(4500));
        taken
    };
    let tries: Vec<Duration> = std::iter::repeat_with(taken).take(3).take_while(|taken| *taken >= LIMIT).collect();
    assert!(tries.len() < 3, "{tries:?}");
}

#[test]
fn missing_library_is_named() {
    let tree = tree(&[(ONE, 0x27b8)]).nvidia_driver("580.159.04", &[ONE]);
    let output =
        Command::new(PROGRAM).arg("--root").arg(tree.path()).args(["--nvml", "/no/such.so"]).output().expect("runs");
    let report = GpuReport::read(&output.stdout).expect("facts");
    let NvmlState::Failed(failure) = report.nvml else { panic!("{:?}", report.nvml) };
    assert_eq!(failure.kind, NvmlFailureKind::LibraryMissing);
    assert!(failure.detail.contains("/no/such.so"), "{}", failure.detail);
}

#[test]
fn foreign_tree_ignores_local_library() {
    let tree = tree(&[(ONE, 0x27b8)]).nvidia_driver("580.159.04", &[ONE]);
    let output = Command::new(PROGRAM).arg("--root").arg(tree.path()).output().expect("runs");
    assert_eq!(GpuReport::read(&output.stdout).expect("facts").nvml, NvmlState::NotAsked(NotAsked::OtherRoot));
}

#[test]
fn local_machine_has_facts() {
    let outcome = landfall_gpu_facts::probe(Path::new(PROGRAM), Duration::from_secs(20));
    assert!(matches!(&outcome, Outcome::Facts(_)), "{outcome:?}");
}

#[test]
fn inner_process_dies_with_outer() {
    let tree = tree(&[(ONE, 0x27b8)]).nvidia_driver("580.159.04", &[ONE]);
    let mut outer = Command::new(PROGRAM)
        .arg("--root")
        .arg(tree.path())
        .arg("--nvml")
        .arg(library(false))
        .args(["--time-limit", "300"])
        .env("STUB_MACHINE", "hangs")
        .spawn()
        .expect("runs");
    let inner = wait_for(|| children(outer.id()).first().copied()).expect("it starts the one that asks");
    // The process may have only just started: the test waits until it hangs in the library.
    wait_for(|| std::fs::read_to_string(format!("/proc/{inner}/maps")).ok()?.contains("nvml.so").then_some(()))
        .expect("it loads the library");
    outer.kill().expect("killed");
    outer.wait().expect("collected");
    wait_for(|| (!is_running(inner)).then_some(())).expect("the one that asks is gone");
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn invalid_arguments_exit_with_2() {
    let output = Command::new(PROGRAM).arg("--what").output().expect("runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no argument --what"));
}
