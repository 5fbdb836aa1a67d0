//! Faults of GPUs that work.

use landfall_error_codes::codes;
use landfall_gpu_facts::judge::Warning;

use landfall_site::findings::Finding;

/// Returns the finding for a fault of the GPU with this index.
pub(super) fn finding(index: u32, warning: Warning) -> Finding {
    let (found, fix, command) = advice(warning);
    let finding = Finding::warning(codes::GPU_UNHEALTHY, format!("GPU {index} {found}"), fix);
    finding.commands(command.map(|command| command.replace("INDEX", &index.to_string())))
}

/// Returns a GPU's fault as the rest of a sentence that begins with the GPU.
pub(crate) fn problem_of_gpu(warning: Warning) -> &'static str {
    advice(warning).0
}

fn advice(warning: Warning) -> (&'static str, &'static str, Option<&'static str>) {
    match warning {
        Warning::UncorrectedErrors => (
            "has had uncorrectable memory errors since its driver was loaded",
            "Reset the GPU while nothing uses it; if the errors return, have it replaced.",
            Some("nvidia-smi --gpu-reset --id=INDEX"),
        ),
        Warning::MemoryRepairPending => (
            "has memory that is waiting to be retired",
            "Reset the GPU while nothing uses it, or reboot.",
            Some("nvidia-smi --gpu-reset --id=INDEX"),
        ),
        Warning::MemoryRepairFailed => ("has no spare memory left", "Have the GPU replaced.", None),
        Warning::EccChangePending => (
            "will change its error correction (ECC) at the next reboot",
            "Reboot before the install.",
            Some("systemctl reboot"),
        ),
        Warning::MigChangePending => (
            "will change its division (MIG) at the next reset",
            "Reset the GPU while nothing uses it, or reboot.",
            Some("nvidia-smi --gpu-reset --id=INDEX"),
        ),
        Warning::MigWithoutDevices => (
            "is divided (MIG) and has no devices: software sees no GPU",
            "Make instances with `nvidia-smi mig`, or turn MIG off.",
            Some("nvidia-smi --id=INDEX --multi-instance-gpu=0"),
        ),
        Warning::ComputeModeRestricted => (
            "lets no process, or only one, use it",
            "Set the compute mode to DEFAULT.",
            Some("nvidia-smi --id=INDEX --compute-mode=0"),
        ),
        Warning::MemoryHeld => {
            ("has memory that other processes are using", "Stop them; `nvidia-smi` lists them.", None)
        }
        Warning::Hot => ("is so hot that it slows down", "Check its cooling.", None),
        Warning::NotPersistent => (
            "loses its driver's state whenever it is idle, so that every first start takes seconds",
            "Start NVIDIA's persistence daemon.",
            Some("systemctl enable --now nvidia-persistenced"),
        ),
        Warning::NeedsVgpuLicense => (
            "is a part of a GPU in a virtual machine, and runs at full speed only with an NVIDIA license",
            "Give the virtual machine such a license.",
            None,
        ),
    }
}
