//! What the kernel lists on the PCI bus: display controllers and accelerators, and NVIDIA's switches between GPUs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// PCI vendor number of NVIDIA.
pub const NVIDIA: u32 = 0x10de;
/// PCI vendor number of AMD, under which its GPUs are listed.
pub const AMD: u32 = 0x1002;
/// PCI vendor number of Intel.
pub const INTEL: u32 = 0x8086;
/// PCI vendor number of Mellanox, under which NVIDIA's network adapters are listed.
pub const MELLANOX: u32 = 0x15b3;

/// PCI base class of display controllers, GPUs without a connector among them.
pub const DISPLAY_CLASS: u32 = 0x03;
/// PCI base class of processing accelerators.
pub const ACCELERATOR_CLASS: u32 = 0x12;
/// PCI class and subclass under which NVIDIA's `NVSwitch` is listed: a bridge of another kind.
pub const SWITCH_CLASS: u32 = 0x0680;
/// PCI class and subclass of `InfiniBand` adapters.
pub const INFINIBAND_CLASS: u32 = 0x0207;

/// The oldest PCI device number of the generation Turing, the first that NVIDIA's open kernel modules support.
const TURING: u32 = 0x1e00;
/// The oldest PCI device number of the generation Blackwell, the first that only the open kernel modules support.
const BLACKWELL: u32 = 0x2900;

/// The address of a PCI function, such as `0000:3b:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// The domain, also called segment.
    pub domain: u32,
    /// The bus.
    pub bus: u8,
    /// The device, below 32.
    pub device: u8,
    /// The function, below 8.
    pub function: u8,
}

/// A text that is no PCI address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a PCI address such as 0000:3b:00.0")]
pub struct NotAnAddress(String);

impl FromStr for PciAddress {
    type Err = NotAnAddress;

    /// Reads the kernel's form, with four digits of the domain, and NVML's, with eight.
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

/// A number that people know in hexadecimal; in JSON the string that the kernel prints, such as `0x10de`.
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

/// What the kernel lists of a host's accelerators.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hardware {
    /// Display controllers and accelerators of NVIDIA, AMD and Intel, by address.
    pub devices: Vec<PciDevice>,
    /// NVIDIA's switches between GPUs, by address; those since Blackwell are not on the bus, but the network adapters through which they are
    /// managed are.
    pub switches: Vec<PciDevice>,
    /// The model of a system on a chip whose GPU is on no PCI bus, such as NVIDIA's Jetson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_on_chip: Option<String>,
}

impl Hardware {
    /// The devices of one vendor.
    pub fn of_vendor(&self, vendor: u32) -> impl Iterator<Item = &PciDevice> {
        self.devices.iter().filter(move |device| device.vendor.0 == vendor)
    }
}

/// Which of NVIDIA's two sets of kernel modules supports a GPU. Source: *NVIDIA Driver Installation Guide*, kernel modules; the device numbers
/// are those of the list of GPUs in the open kernel modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SupportedBy {
    /// The proprietary ones: Volta and older.
    ProprietaryModules,
    /// Both: Turing up to Hopper and Ada.
    BothModules,
    /// The open ones: Blackwell and newer.
    OpenModules,
}

/// One function on the PCI bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PciDevice {
    /// Where it is.
    pub address: PciAddress,
    /// The PCI vendor number.
    pub vendor: Hexadecimal,
    /// The PCI device number.
    pub device: Hexadecimal,
    /// The vendor of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem_vendor: Option<Hexadecimal>,
    /// The vendor's number of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem_device: Option<Hexadecimal>,
    /// Base class, subclass and programming interface: `0x30200` is a GPU without a connector.
    pub class: Hexadecimal,
    /// The kernel driver that holds it, such as `nvidia`, `nouveau`, `vfio-pci` or `amdgpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_driver: Option<String>,
    /// Whether the device answers: `false` if its configuration space reads as all ones, as for a device that fell off
    /// the bus. Absent if the configuration space could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<bool>,
    /// Whether it is a virtual function of another device.
    pub is_virtual_function: bool,
    /// The NUMA node that it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<u32>,
    /// The speed of the PCIe link now, as the kernel prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_speed: Option<String>,
    /// The lanes of the PCIe link now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_width: Option<u32>,
    /// The lanes that the device could use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_link_width: Option<u32>,
    /// The size of the largest window into the device's memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_window_bytes: Option<u64>,
    /// The device's own memory in bytes, if the kernel driver reports it (AMD's does).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// How much of it is used, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// The name of the product, if the kernel driver reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}

impl PciDevice {
    /// The kernel modules that support it, if it is a GPU of NVIDIA's.
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
    fn both_forms_of_an_address_are_the_same_address() {
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
    fn numbers_print_as_the_kernel_prints_them() {
        assert_eq!(String::from(Hexadecimal(0x10de)), "0x10de");
        assert_eq!(String::from(Hexadecimal(0x03_0200)), "0x30200");
        assert_eq!("0x030200".parse(), Ok(Hexadecimal(0x03_0200)));
        assert!("10de".parse::<Hexadecimal>().is_err());
    }
}
