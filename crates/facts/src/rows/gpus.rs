//! Rows about the GPUs of a host.

use std::collections::BTreeSet;

use indicatif::HumanBytes;
use landfall_error_codes::{Code, codes};
use landfall_gpu_facts::judge;
use landfall_gpu_facts::nvml::{Gpu, GpuProcess};
use landfall_gpu_facts::reading::Reading;
use landfall_host::facts::Facts;
use landfall_models::Host;

use super::{Row, row, yes};

/// Path of these facts in rules.
const PATH: &str = "facts.gpus";

/// Codes of the findings about the presence of GPUs.
const PRESENCE: &[Code] = &[codes::GPU_NOT_KNOWN, codes::GPU_MISSING, codes::GPU_DEVICE_LOST];

/// Codes of the findings about the GPUs' driver.
const DRIVING: &[Code] = &[
    codes::GPU_NO_DRIVER,
    codes::GPU_DRIVER_TOO_OLD,
    codes::GPU_VERSION_MISMATCH,
    codes::GPU_NO_LIBRARY,
    codes::GPU_DRIVER_FAILS,
    codes::GPU_NOT_PERMITTED,
    codes::GPU_FABRIC_MANAGER,
    codes::GPU_UNHEALTHY,
];

/// Returns the rows about the PCI bus and the driver's report.
pub(super) fn rows(facts: &Facts) -> Vec<Row> {
    let Some(report) = &facts.gpus else {
        return vec![row("GPUs", PATH, PRESENCE, "unknown: collected by an older landfall")];
    };
    let devices = report.hardware.devices.iter().map(|device| {
        let driver = device.kernel_driver.as_deref().unwrap_or("no driver");
        let product = device.product.as_deref().map(|product| format!("{product}, ")).unwrap_or_default();
        let silent = if device.answers == Some(false) { ", does not answer" } else { "" };
        format!("{} ({product}held by {driver}{silent})", device.address)
    });
    let devices = devices.chain(report.hardware.system_on_chip.clone()).collect::<Vec<_>>();
    let devices = if devices.is_empty() { "none".to_owned() } else { devices.join("; ") };
    let mut rows = vec![row("On the bus", PATH, PRESENCE, devices)];
    let host = Host::of(facts.cores, facts.memory_bytes, Some(report));
    rows.extend(host.driver.as_ref().map(|version| row("Driver", PATH, DRIVING, version.to_string())));
    rows.extend(host.cuda.as_ref().map(|version| row("CUDA", PATH, &[codes::GPU_DRIVER_TOO_OLD], version.to_string())));
    rows.extend(host.groups.iter().map(|group| {
        let capability = group.capability.map(|capability| format!(", compute capability {capability}"));
        let part = group.mig_device.as_deref().map(|part| format!(", MIG {part}")).unwrap_or_default();
        let memory = HumanBytes(group.memory_bytes);
        let what = format!("{} × {}{part}, {memory} each{}", group.count, group.model, capability.unwrap_or_default());
        row("For models", PATH, &[codes::GPU_TOO_FEW, codes::MODEL_UNFIT], what)
    }));
    rows.extend(judge::gpus(report).map(|gpu| row("Measured", PATH, DRIVING, other_readings(gpu))));
    rows.extend(host.notes.iter().map(|note| row("To know", PATH, DRIVING, note.clone())));
    rows
}

/// A name, and its value if known.
type NamedReading = (&'static str, Option<String>);

/// Lists the driver's other readings of a GPU, as far as it has them: a person without access to the machine has no
/// other way to see them.
fn other_readings(gpu: &Gpu) -> String {
    let all = identity(gpu).into_iter().chain(health(gpu)).chain(limits(gpu)).chain(use_of(gpu));
    let known = all.filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    format!("GPU {}: {}", gpu.index, known.collect::<Vec<_>>().join(", "))
}

fn identity(gpu: &Gpu) -> Vec<NamedReading> {
    vec![
        ("UUID", gpu.uuid.value().cloned()),
        ("at", gpu.pci_address.value().map(ToString::to_string)),
        ("file", gpu.minor.value().map(|minor| format!("nvidia{minor}"))),
        ("virtualization", gpu.virtualization.value().map(|kind| format!("{kind:?}"))),
        ("compute mode", gpu.compute_mode.value().map(|mode| format!("{mode:?}"))),
        ("persistence", answer(&gpu.persistence)),
    ]
}

fn health(gpu: &Gpu) -> Vec<NamedReading> {
    let (ecc, rows, pages) = (&gpu.ecc, &gpu.remapped_rows, &gpu.retired_pages);
    let count = |reading: &Reading<u64>| reading.value().map(ToString::to_string);
    let on = |is_on: bool| if is_on { "on" } else { "off" };
    let mode = ecc.mode.value();
    vec![
        ("ECC", mode.map(|mode| on(mode.is_enabled).to_owned())),
        ("after a reboot", mode.map(|mode| on(mode.is_enabled_after_reboot).to_owned())),
        ("errors corrected since load", count(&ecc.corrected_since_load)),
        ("uncorrected since load", count(&ecc.uncorrected_since_load)),
        ("corrected ever", count(&ecc.corrected_ever)),
        ("uncorrected ever", count(&ecc.uncorrected_ever)),
        ("pages retired for single-bit errors", count(&pages.single_bit)),
        ("for double-bit errors", count(&pages.double_bit)),
        ("retirement pending", answer(&pages.is_pending)),
        ("rows remapped, correctable", count(&rows.correctable)),
        ("uncorrectable", count(&rows.uncorrectable)),
        ("remapping pending", answer(&rows.is_pending)),
        ("failed", answer(&rows.has_failed)),
    ]
}

fn limits(gpu: &Gpu) -> Vec<NamedReading> {
    let (power, temperature, clocks) = (&gpu.power, &gpu.temperature, &gpu.clocks);
    let watts = |reading: &Reading<u32>| Some(format!("{:.1} W", f64::from(*reading.value()?) / 1000.0));
    let celsius = |reading: &Reading<u32>| Some(format!("{} °C", reading.value()?));
    let megahertz = |reading: &Reading<u32>| Some(format!("{} MHz", reading.value()?));
    vec![
        ("power", watts(&power.draw_milliwatts)),
        ("limit", watts(&power.limit_milliwatts)),
        ("enforced limit", watts(&power.enforced_limit_milliwatts)),
        ("default limit", watts(&power.default_limit_milliwatts)),
        ("lowest limit", watts(&power.min_limit_milliwatts)),
        ("highest limit", watts(&power.max_limit_milliwatts)),
        ("temperature", celsius(&temperature.gpu_celsius)),
        ("slows down at", celsius(&temperature.slowdown_celsius)),
        ("shuts down at", celsius(&temperature.shutdown_celsius)),
        ("made for up to", celsius(&temperature.max_operating_celsius)),
        ("memory for up to", celsius(&temperature.memory_max_operating_celsius)),
        ("graphics clock", megahertz(&clocks.graphics_megahertz)),
        ("of at most", megahertz(&clocks.max_graphics_megahertz)),
        ("multiprocessor clock", megahertz(&clocks.multiprocessor_megahertz)),
        ("of at most", megahertz(&clocks.max_multiprocessor_megahertz)),
        ("memory clock", megahertz(&clocks.memory_megahertz)),
        ("of at most", megahertz(&clocks.max_memory_megahertz)),
    ]
}

fn use_of(gpu: &Gpu) -> Vec<NamedReading> {
    let links = gpu.nvlinks.value().map(|links| {
        let active = links.iter().filter(|link| link.is_active).count();
        let versions: BTreeSet<u32> = links.iter().filter_map(|link| link.version.value().copied()).collect();
        let remotes: BTreeSet<_> = links.iter().filter_map(|link| link.remote.value().copied()).collect();
        let remotes: Vec<String> = remotes.iter().map(ToString::to_string).collect();
        format!("{active} of {} up, version {versions:?}, to {}", links.len(), remotes.join(", "))
    });
    let processes = gpu.processes.value().filter(|processes| !processes.is_empty());
    vec![
        ("memory used", gpu.memory.value().map(|memory| HumanBytes(memory.used_bytes).to_string())),
        ("NVLinks", links),
        ("monitor attached", answer(&gpu.display.is_attached)),
        ("display active", answer(&gpu.display.is_active)),
        ("processes", processes.map(|processes| processes.iter().map(process).collect::<Vec<_>>().join(", "))),
    ]
}

fn process(process: &GpuProcess) -> String {
    let name = process.name.value().map_or("unknown", String::as_str);
    let used = process.used_bytes.value().map_or_else(|| "unknown".to_owned(), |bytes| HumanBytes(*bytes).to_string());
    format!("{name} ({}, {:?}, {used})", process.pid, process.kind)
}

fn answer(reading: &Reading<bool>) -> Option<String> {
    reading.value().map(|is_so| yes(*is_so))
}
