//! A host without NVIDIA's driver.

use landfall_error_codes::codes;
use landfall_gpu_facts::GpuReport;
use landfall_host::facts::Facts;
use landfall_release_document::GpuRequirements;

use super::driver_package::{DriverPackage, oldest_branch};
use landfall_site::findings::Finding;

/// The kernel's own driver, which must be kept from loading for NVIDIA's to use a GPU.
const NOUVEAU: &str = "nouveau";

/// Returns the command that rebuilds the initramfs, which may load a driver before the host's own files are read.
fn initramfs(operating_system: &str) -> Option<&'static str> {
    match operating_system.split(' ').next()? {
        "ubuntu" | "debian" => Some("update-initramfs -u"),
        "rhel" | "rocky" | "almalinux" | "centos" | "ol" | "amzn" | "fedora" | "sles" | "opensuse-leap" => {
            Some("dracut --force")
        }
        _ => None,
    }
}

/// Returns the finding for a GPU without NVIDIA's driver.
pub(super) fn missing(
    facts: &Facts,
    report: &GpuReport,
    wanted: &GpuRequirements,
    held_by: &[String],
    needed: String,
) -> Finding {
    let found = match held_by {
        [] => "no driver holds the GPU".to_owned(),
        drivers => format!("the GPU is held by {}", drivers.join(", ")),
    };
    let finding = Finding::new(codes::GPU_NO_DRIVER, found, needed);
    if held_by.iter().any(|driver| driver == "vfio-pci") {
        return finding
            .fix("The GPU is passed through to a virtual machine: install the release there, or release it.");
    }
    let hardware = &report.hardware;
    let branch = wanted.driver.as_deref().and_then(|driver| driver.split('.').next()?.parse().ok());
    let Some(package) = DriverPackage::of(facts, hardware, branch) else { return finding };
    let mut commands = Vec::new();
    if held_by.iter().any(|driver| driver == NOUVEAU) {
        commands.push(format!("echo 'blacklist {NOUVEAU}' > /etc/modprobe.d/no-{NOUVEAU}.conf"));
        commands.extend(initramfs(&facts.operating_system).map(str::to_owned));
    }
    // Some generations of GPUs need a newer driver than the release.
    let oldest = match oldest_branch(hardware) {
        Some(oldest) if branch < Some(oldest) => Some(oldest.to_string()),
        _ => wanted.driver.clone(),
    };
    let version = oldest.map(|oldest| format!(" in version {oldest} or newer,")).unwrap_or_default();
    let signed = signature(facts, &package);
    let fix = format!(
        "Install {package}{version} keep {NOUVEAU} from loading, and reboot. A mirror of the repository at the site \
         will do; without one, a host pack of the vendor's brings the driver: `landfall install --host-pack`.{signed}"
    );
    commands.extend(package.commands.into_iter().chain(["systemctl reboot".to_owned()]));
    finding.fix(fix).commands(commands)
}

/// Returns Secure Boot's requirement for the driver's modules.
fn signature(facts: &Facts, package: &DriverPackage) -> &'static str {
    match facts.security.as_ref().map(|security| security.secure_boot) {
        _ if package.is_signed => "",
        Some(Some(true)) => {
            " Secure Boot is on: the kernel loads the driver only if its modules are signed with a key that the \
             firmware has."
        }
        Some(_) => "",
        None => {
            " If Secure Boot is on, the kernel loads the driver only if its modules are signed with a key that the \
             firmware has."
        }
    }
}
