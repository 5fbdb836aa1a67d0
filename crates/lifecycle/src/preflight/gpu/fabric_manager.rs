//! Fabric Manager, without which no CUDA program starts on GPUs that are joined by switches.

use landfall_error_codes::codes;
use landfall_gpu_facts::hardware::{Hardware, MELLANOX};

use landfall_site::findings::Finding;

/// Command that starts it now and at each boot.
const START: &str = "systemctl enable --now nvidia-fabricmanager";

/// Commands that load the kernel module for switches behind adapters, now and at each boot.
const MODULE: [&str; 2] = ["echo ib_umad > /etc/modules-load.d/ib_umad.conf", "modprobe ib_umad"];

/// Returns the finding for switches without Fabric Manager. Switches since Blackwell also need the `NVLink` Subnet
/// Manager, without which Fabric Manager ends at once. Source: *NVIDIA Fabric Manager User Guide*, systems using fourth
/// generation `NVSwitches`.
pub(super) fn missing(hardware: &Hardware, needed: String) -> Finding {
    let finding = Finding::new(codes::GPU_FABRIC_MANAGER, "Fabric Manager is not running", needed);
    let is_behind_adapters = hardware.switches.iter().any(|switch| switch.vendor.0 == MELLANOX);
    if !is_behind_adapters {
        return finding.commands([START.to_owned()]);
    }
    finding
        .fix(
            "Install NVIDIA's Fabric Manager in exactly the version of the driver, and the NVLink Subnet Manager \
             (package nvlsm), which the switches of these GPUs also need; load the kernel module ib_umad, and enable \
             Fabric Manager's service.",
        )
        .commands(MODULE.into_iter().chain([START]).map(str::to_owned))
}
