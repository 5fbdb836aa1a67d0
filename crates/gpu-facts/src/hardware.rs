//! The PCI bus as the kernel lists it: display controllers and accelerators, and NVIDIA's switches between GPUs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// PCI vendor number of NVIDIA.
pub const NVIDIA: u32 = 0x10de;
/// PCI vendor number of AMD, which its GPUs use.
pub const AMD: u32 = 0x1002;
/// PCI vendor number of Intel.
pub const INTEL: u32 = 0x8086;
/// PCI vendor number of Mellanox, which NVIDIA's network adapters use.
pub const MELLANOX: u32 = 0x15b3;

/// PCI base class of display controllers, including GPUs without a connector.
pub const DISPLAY_CLASS: u32 = 0x03;
/// PCI base class of processing accelerators.
pub const ACCELERATOR_CLASS: u32 = 0x12;
/// PCI class and subclass of NVIDIA's `NVSwitch`: a bridge of another kind.
pub const SWITCH_CLASS: u32 = 0x0680;
/// PCI class and subclass of `InfiniBand` adapters.
pub const INFINIBAND_CLASS: u32 = 0x0207;

/// Lowest PCI device number of the generation Turing, the first that NVIDIA's open kernel modules support.
const TURING: u32 = 0x1e00;
/// Lowest PCI device number of the generation Blackwell, the first that only the open kernel modules support.
const BLACKWELL: u32 = 0x2900;

/// The address of a PCI function, such as `0000:3b:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// Domain, also called segment.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device, below 32.
    pub device: u8,
    /// Function, below 8.
    pub function: u8,
}

/// The text is not a PCI address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a PCI address such as 0000:3b:00.0")]
pub struct NotAnAddress(String);

impl FromStr for PciAddress {
    type Err = NotAnAddress;

    /// Parses the kernel's form, with four digits of the domain, and NVML's, with eight.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let hexadecimal = |text: &str, digits: std::ops::RangeInclusive<usize>| {
            let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_number.then(|| u32::from_str_radix(text, 16).ok()).flatten()
        };
        let read = || {
            let (domain, rest) = text.split_once(':')?;
            let (bus, rest) = rest.split_once(':')?;
            let (device, function) = rest.split_once('.')?;
            Some(Self {
                domain: hexadecimal(domain, 4..=8)?,
                bus: u8::try_from(hexadecimal(bus, 2..=2)?).ok()?,
                device: u8::try_from(hexadecimal(device, 2..=2)?).ok().filter(|number| *number < 32)?,
                function: u8::try_from(hexadecimal(function, 1..=1)?).ok().filter(|number| *number < 8)?,
            })
        };
        read().ok_or_else(|| NotAnAddress(text.to_owned()))
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl TryFrom<String> for PciAddress {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

/// A number that people know in hexadecimal. In JSON it is the string that the kernel prints, such as `0x10de`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hexadecimal(pub u32);

impl FromStr for Hexadecimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix("0x")
            .filter(|digits| (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a number such as 0x10de"))
    }
}

impl TryFrom<String> for Hexadecimal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Hexadecimal> for String {
    fn from(number: Hexadecimal) -> Self {
        format!("{:#06x}", number.0)
    }
}

/// A host's accelerators, as the kernel lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hardware {
    /// Display controllers and accelerators from NVIDIA, AMD and Intel, by address.
    pub devices: Vec<PciDevice>,
    /// NVIDIA's switches between GPUs, by address. Switches since Blackwell are not on the bus; the network adapters
    /// that manage them are listed instead.
    pub switches: Vec<PciDevice>,
    /// Model of a system on a chip whose GPU is on no PCI bus, such as NVIDIA's Jetson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_on_chip: Option<String>,
}

impl Hardware {
    /// The devices of one vendor.
    pub fn of_vendor(&self, vendor: u32) -> impl Iterator<Item = &PciDevice> {
        self.devices.iter().filter(move |device| device.vendor.0 == vendor)
    }
}

/// The sets of NVIDIA's kernel modules that support a GPU. Source: *NVIDIA Driver Installation Guide*, kernel modules;
/// the device numbers are from the list of GPUs in the open kernel modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SupportedBy {
    /// Only the proprietary ones: Volta and older.
    ProprietaryModules,
    /// Both: Turing up to Hopper and Ada.
    BothModules,
    /// Only the open ones: Blackwell and newer.
    OpenModules,
}

/// A function on the PCI bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PciDevice {
    /// PCI address.
    pub address: PciAddress,
    /// PCI vendor number.
    pub vendor: Hexadecimal,
    /// PCI device number.
    pub device: Hexadecimal,
    /// Vendor of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem_vendor: Option<Hexadecimal>,
    /// Vendor's number of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem_device: Option<Hexadecimal>,
    /// Base class, subclass and programming interface: `0x30200` is a GPU without a connector.
    pub class: Hexadecimal,
    /// Kernel driver that holds it, such as `nvidia`, `nouveau`, `vfio-pci` or `amdgpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_driver: Option<String>,
    /// True if the device answers; false if its configuration space reads as all ones, as for a device that fell off
    /// the bus. Absent if the configuration space could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<bool>,
    /// True if it is a virtual function of another device.
    pub is_virtual_function: bool,
    /// NUMA node to which it is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<u32>,
    /// Current speed of the PCIe link, as the kernel prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_speed: Option<String>,
    /// Current number of lanes of the PCIe link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_width: Option<u32>,
    /// Maximum number of lanes of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_link_width: Option<u32>,
    /// Size of the largest window into the device's memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_window_bytes: Option<u64>,
    /// Size of the device's own memory in bytes, if the kernel driver reports it (AMD's does).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// Used bytes of this memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Name of the product, if the kernel driver reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}

impl PciDevice {
    /// Returns the kernel modules that support it, if it is a GPU by NVIDIA.
    pub fn supported_by(&self) -> Option<SupportedBy> {
        (self.vendor.0 == NVIDIA).then_some(match self.device.0 {
            ..TURING => SupportedBy::ProprietaryModules,
            TURING..BLACKWELL => SupportedBy::BothModules,
            BLACKWELL.. => SupportedBy::OpenModules,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_forms_are_equal() {
        let kernel: PciAddress = "0000:3b:00.0".parse().expect("kernel");
        let nvml: PciAddress = "00000000:3B:00.0".parse().expect("nvml");
        assert_eq!(kernel, nvml);
        assert_eq!(nvml.to_string(), "0000:3b:00.0");
        assert_eq!("10000:01:1f.7".parse::<PciAddress>().expect("long domain").to_string(), "10000:01:1f.7");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in ["", "3b:00.0", "0000:3b:20.0", "0000:3b:00.8", "0000:3b:00", "0000:+b:00.0", "zzzz:00:00.0"] {
            assert!(text.parse::<PciAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_print_as_in_kernel() {
        assert_eq!(String::from(Hexadecimal(0x10de)), "0x10de");
        assert_eq!(String::from(Hexadecimal(0x03_0200)), "0x30200");
        assert_eq!("0x030200".parse(), Ok(Hexadecimal(0x03_0200)));
        let refused = "10de".parse::<Hexadecimal>().expect_err("no prefix");
        assert_eq!(refused, r#""10de" is not a number such as 0x10de"#);
    }
}
