//! GPUs of a host for its page.

use indicatif::HumanBytes;
use landfall_error_codes::{Code, codes};
use landfall_host::facts::Facts;
use landfall_models::Host;

use super::{Row, row};

/// Where rules find them.
const PATH: &str = "facts.gpus";

/// The findings about which GPUs there are.
const PRESENCE: &[Code] = &[codes::GPU_NOT_KNOWN, codes::GPU_MISSING, codes::GPU_DEVICE_LOST];

/// The findings about how GPUs are driven.
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

/// What the bus shows, and what the driver reports.
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
    rows.extend(host.notes.iter().map(|note| row("To know", PATH, DRIVING, note.clone())));
    rows
}
