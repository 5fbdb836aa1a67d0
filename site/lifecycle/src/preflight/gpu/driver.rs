//! NVIDIA's driver: the package that has it, by distribution.

use landfall_error_codes::codes;
use landfall_host::facts::Facts;
use landfall_release_document::GpuRequirements;

use super::Finding;

/// The kernel's own driver, which leaves a GPU to NVIDIA's only where it is kept from loading.
const NOUVEAU: &str = "nouveau";

/// A branch with a driver for every GPU that is still supported, where the release names none.
const USUAL_BRANCH: u32 = 580;

/// A package, and the command that installs it from the distribution's repository or a mirror of that.
pub(in crate::preflight) struct Package {
    pub(in crate::preflight) name: String,
    pub(in crate::preflight) command: String,
}

/// The package of a distribution that has the driver; none where that is not known.
pub(in crate::preflight) fn package(operating_system: &str, branch: Option<u32>) -> Option<Package> {
    let branch = branch.unwrap_or(USUAL_BRANCH);
    let package = |name: String, tool: &str| Package { command: format!("{tool} install {name}"), name };
    Some(match operating_system.split(' ').next()? {
        "ubuntu" => package(format!("nvidia-driver-{branch}-server"), "apt-get"),
        "debian" => package("nvidia-driver".to_owned(), "apt-get"),
        "rhel" | "rocky" | "almalinux" | "centos" | "ol" => package("nvidia-driver".to_owned(), "dnf"),
        "sles" => package("nvidia-open-driver-G06-signed-kmp-default".to_owned(), "zypper"),
        _ => return None,
    })
}

/// The command that makes what the kernel boots from again: it may load a driver before the host's own files are read.
fn initramfs(operating_system: &str) -> Option<&'static str> {
    match operating_system.split(' ').next()? {
        "ubuntu" | "debian" => Some("update-initramfs -u"),
        "rhel" | "rocky" | "almalinux" | "centos" | "ol" | "sles" => Some("dracut --force"),
        _ => None,
    }
}

/// A GPU without NVIDIA's driver.
pub(super) fn missing(facts: &Facts, wanted: &GpuRequirements, held_by: &[String], needed: String) -> Finding {
    let found = match held_by {
        [] => "no driver holds the GPU".to_owned(),
        drivers => format!("the GPU is held by {}", drivers.join(", ")),
    };
    let finding = Finding::new(codes::GPU_NO_DRIVER, found, needed);
    if held_by.iter().any(|driver| driver == "vfio-pci") {
        return finding
            .fix("The GPU is passed through to a virtual machine: install the release there, or release it.");
    }
    let branch = wanted.driver.as_deref().and_then(|driver| driver.split('.').next()?.parse().ok());
    let Some(package) = package(&facts.operating_system, branch) else { return finding };
    let mut commands = Vec::new();
    if held_by.iter().any(|driver| driver == NOUVEAU) {
        commands.push(format!("echo 'blacklist {NOUVEAU}' > /etc/modprobe.d/no-{NOUVEAU}.conf"));
        commands.extend(initramfs(&facts.operating_system).map(str::to_owned));
    }
    let version = wanted.driver.as_ref().map(|driver| format!(" in version {driver} or newer")).unwrap_or_default();
    let signed = match facts.security.as_ref().map(|security| security.secure_boot) {
        Some(Some(true)) => {
            " Secure Boot is on: the kernel loads the driver only if its modules are signed with a key that the firmware has."
        }
        Some(_) => "",
        None => {
            " If Secure Boot is on, the kernel loads the driver only if its modules are signed with a key that the firmware has."
        }
    };
    let fix = format!(
        "Install the package {}{version} from the distribution's repository or its mirror at the site, keep {NOUVEAU} from \
         loading, and reboot. A host pack of the vendor's brings it without a repository: `landfall install --host-pack`.{signed}",
        package.name
    );
    commands.extend([package.command, "systemctl reboot".to_owned()]);
    finding.fix(fix).commands(commands)
}
