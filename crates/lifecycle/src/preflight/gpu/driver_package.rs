//! Package with NVIDIA's driver for a host's GPUs, by distribution and version.
//!
//! Sources: *NVIDIA Driver Installation Guide*, kernel modules and version locking
//! (docs.nvidia.com/datacenter/tesla/driver-installation-guide); the package lists of Ubuntu 22.04 and 24.04 and of
//! Debian 12 and 13.

use std::fmt;

use landfall_gpu_facts::hardware::{Hardware, NVIDIA, PciDevice, SupportedBy};
use landfall_host::facts::Facts;

/// Branch with long support that drives every GPU since Maxwell. Used if neither the release nor a GPU needs a newer
/// one.
const USUAL_BRANCH: u32 = 580;

/// First branch that drives GPUs since Blackwell.
const BLACKWELL_BRANCH: u32 = 570;

/// Branch in each version of Debian.
const DEBIAN: [(u32, u32); 2] = [(12, 535), (13, 550)];

/// NVIDIA's two sets of kernel modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modules {
    Open,
    Proprietary,
}

/// Packages with the driver.
#[derive(Debug)]
pub(super) struct DriverPackage {
    names: Vec<String>,
    /// Branch of the driver in them, or the oldest sufficient one.
    branch: u32,
    /// True if the repository has newer branches under the same names.
    is_oldest: bool,
    repository: &'static str,
    /// Commands that install them, from the repository or a mirror.
    pub(super) commands: Vec<String>,
    /// True if the kernel modules are signed with a key of the distribution's kernel.
    pub(super) is_signed: bool,
}

impl fmt::Display for DriverPackage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.names.len() == 1 { "" } else { "s" };
        write!(formatter, "the package{plural} {} of {}", self.names.join(" and "), self.repository)?;
        let newer = if self.is_oldest { " or newer" } else { "" };
        write!(formatter, ", branch {}{newer},", self.branch)
    }
}

impl DriverPackage {
    /// Returns the packages of the host's distribution for a driver of this branch or newer; `None` for an unknown
    /// distribution.
    pub(super) fn of(facts: &Facts, hardware: &Hardware, oldest: Option<u32>) -> Option<Self> {
        let oldest = oldest.max(oldest_branch(hardware));
        let (modules, branch) = (modules(hardware), oldest.unwrap_or(USUAL_BRANCH).max(USUAL_BRANCH));
        let (distribution, version) = facts.operating_system.split_once(' ').unwrap_or((&facts.operating_system, ""));
        let major: u32 = version.split('.').next()?.parse().ok()?;
        Some(match distribution {
            "ubuntu" => ubuntu(facts, modules, branch),
            "debian" => debian(major, modules, oldest, branch),
            "amzn" => streams(modules, branch),
            "rhel" | "rocky" | "almalinux" | "centos" | "ol" if major < 10 => streams(modules, branch),
            "rhel" | "rocky" | "almalinux" | "centos" | "ol" | "fedora" => nvidia("dnf", modules, branch),
            "sles" | "opensuse-leap" => suse(modules, branch),
            _ => return None,
        })
    }
}

/// Returns the first branch that drives the host's GPUs, unless every supported branch does.
pub(super) fn oldest_branch(hardware: &Hardware) -> Option<u32> {
    supported_by(hardware).any(|by| by == SupportedBy::OpenModules).then_some(BLACKWELL_BRANCH)
}

fn supported_by(hardware: &Hardware) -> impl Iterator<Item = SupportedBy> {
    hardware.of_vendor(NVIDIA).filter_map(PciDevice::supported_by)
}

/// Returns the modules that drive the host's GPUs: the open ones if both work, as NVIDIA advises. No driver has both,
/// so the newest GPU decides.
fn modules(hardware: &Hardware) -> Modules {
    match supported_by(hardware).max() {
        Some(SupportedBy::OpenModules) => Modules::Open,
        _ if supported_by(hardware).any(|by| by == SupportedBy::ProprietaryModules) => Modules::Proprietary,
        _ => Modules::Open,
    }
}

/// Returns Ubuntu's packages, from the branches for servers. With Secure Boot, the kernel loads the modules that
/// Canonical built and signed for this kernel.
fn ubuntu(facts: &Facts, modules: Modules, branch: u32) -> DriverPackage {
    let flavor = match modules {
        Modules::Open => format!("{branch}-server-open"),
        Modules::Proprietary => format!("{branch}-server"),
    };
    let is_on = facts.security.as_ref().is_some_and(|security| security.secure_boot == Some(true));
    let signed = is_on.then(|| format!("linux-modules-nvidia-{flavor}-{}", facts.kernel));
    let is_signed = signed.is_some();
    let names: Vec<String> = signed.into_iter().chain([format!("nvidia-driver-{flavor}")]).collect();
    let commands = vec![format!("apt-get install {}", names.join(" "))];
    DriverPackage { names, branch, is_oldest: false, repository: "the distribution's repository", commands, is_signed }
}

/// Returns Debian's own driver if it is new enough, otherwise NVIDIA's.
fn debian(major: u32, modules: Modules, oldest: Option<u32>, branch: u32) -> DriverPackage {
    let own = DEBIAN.iter().find(|(version, _)| *version == major).map(|(_, branch)| *branch);
    let Some(own) = own.filter(|own| oldest.is_none_or(|oldest| *own >= oldest)) else {
        return nvidia("apt-get", modules, branch);
    };
    DriverPackage {
        names: vec!["nvidia-driver".to_owned()],
        branch: own,
        is_oldest: false,
        repository: "the distribution's repository (component non-free)",
        commands: vec!["apt-get install nvidia-driver".to_owned()],
        is_signed: false,
    }
}

/// Returns the package of NVIDIA's repositories.
fn nvidia(tool: &str, modules: Modules, branch: u32) -> DriverPackage {
    let name = match modules {
        Modules::Open => "nvidia-open",
        Modules::Proprietary => "cuda-drivers",
    };
    DriverPackage {
        names: vec![name.to_owned()],
        branch,
        is_oldest: true,
        repository: "NVIDIA's repository for the distribution",
        commands: vec![format!("{tool} install {name}")],
        is_signed: false,
    }
}

/// Returns the package from repositories with a stream for each branch.
fn streams(modules: Modules, branch: u32) -> DriverPackage {
    let stream = match modules {
        Modules::Open => format!("{branch}-open"),
        Modules::Proprietary => format!("{branch}-dkms"),
    };
    let mut package = DriverPackage { is_oldest: false, ..nvidia("dnf", modules, branch) };
    package.commands.insert(0, format!("dnf module enable nvidia-driver:{stream}"));
    package
}

/// Returns SUSE's packages. SUSE signs the open modules for its kernel; the libraries are always NVIDIA's.
fn suse(modules: Modules, branch: u32) -> DriverPackage {
    let kernel_package = match modules {
        Modules::Open => "nvidia-open-driver-G06-signed-kmp-default",
        Modules::Proprietary => "nvidia-driver-G06-kmp-default",
    };
    let names = [kernel_package, "nvidia-compute-utils-G06"].map(str::to_owned).to_vec();
    DriverPackage {
        commands: vec![format!("zypper install {}", names.join(" "))],
        names,
        branch,
        is_oldest: true,
        repository: "NVIDIA's repository for the distribution",
        is_signed: modules == Modules::Open,
    }
}

#[cfg(test)]
mod tests {
    use landfall_gpu_facts::sample::Tree;
    use landfall_host::facts::sample::sample;

    use super::*;

    const V100: u32 = 0x1db6;
    const H200: u32 = 0x2335;
    const B200: u32 = 0x2901;

    fn hardware(devices: &[u32]) -> Hardware {
        let tree = devices.iter().zip(1..).fold(Tree::empty(), |tree, (device, bus)| {
            tree.pci(&format!("0000:{bus:02x}:00.0"), NVIDIA, *device, 0x03_0200)
        });
        tree.root().hardware()
    }

    fn commands(system: &str, devices: &[u32], oldest: Option<u32>) -> String {
        let facts = Facts { operating_system: system.to_owned(), ..sample() };
        DriverPackage::of(&facts, &hardware(devices), oldest)
            .map_or("none".to_owned(), |package| package.commands.join("; "))
    }

    #[test]
    fn driver_packages_fit_the_distribution() {
        for (system, device, expected) in [
            ("ubuntu 24.04", H200, "apt-get install nvidia-driver-580-server-open"),
            ("ubuntu 22.04", V100, "apt-get install nvidia-driver-580-server"),
            ("debian 12", H200, "apt-get install nvidia-driver"),
            ("debian 12", B200, "apt-get install nvidia-open"),
            ("debian 13", B200, "apt-get install nvidia-open"),
            ("rhel 9.6", B200, "dnf module enable nvidia-driver:580-open; dnf install nvidia-open"),
            ("rocky 8.10", V100, "dnf module enable nvidia-driver:580-dkms; dnf install cuda-drivers"),
            ("amzn 2023", H200, "dnf module enable nvidia-driver:580-open; dnf install nvidia-open"),
            ("rhel 10.1", H200, "dnf install nvidia-open"),
            ("sles 15.6", H200, "zypper install nvidia-open-driver-G06-signed-kmp-default nvidia-compute-utils-G06"),
            ("plan9 4", H200, "none"),
        ] {
            assert_eq!(commands(system, &[device], None), expected, "{system}");
        }
    }

    #[test]
    fn old_distribution_driver_is_not_used() {
        assert_eq!(commands("debian 12", &[H200], Some(535)), "apt-get install nvidia-driver");
        assert_eq!(commands("debian 12", &[H200], Some(550)), "apt-get install nvidia-open");
        assert_eq!(commands("debian 13", &[H200], Some(550)), "apt-get install nvidia-driver");
        assert_eq!(
            commands("debian 14", &[H200], Some(550)),
            "apt-get install nvidia-open",
            "what it has is not known"
        );
        assert_eq!(commands("ubuntu 24.04", &[H200], Some(590)), "apt-get install nvidia-driver-590-server-open");
    }

    #[test]
    fn newest_gpu_decides_the_modules() {
        assert_eq!(commands("ubuntu 24.04", &[V100, H200], None), "apt-get install nvidia-driver-580-server");
        assert_eq!(commands("ubuntu 24.04", &[V100, B200], None), "apt-get install nvidia-driver-580-server-open");
    }

    #[test]
    fn secure_boot_uses_ubuntus_signed_modules() {
        let mut facts =
            Facts { operating_system: "ubuntu 24.04".to_owned(), kernel: "6.8.0-45-generic".to_owned(), ..sample() };
        facts.security =
            facts.security.map(|security| landfall_host::facts::Security { secure_boot: Some(true), ..security });
        let package = DriverPackage::of(&facts, &hardware(&[H200]), None).unwrap();
        assert!(package.is_signed);
        assert_eq!(
            package.to_string(),
            "the packages linux-modules-nvidia-580-server-open-6.8.0-45-generic and nvidia-driver-580-server-open of \
             the distribution's repository, branch 580,"
        );
    }
}
