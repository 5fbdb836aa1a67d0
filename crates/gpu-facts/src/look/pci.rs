//! The PCI bus in `/sys/bus/pci/devices`.

use std::path::Path;

use super::{Root, head, names, number, text};
use crate::hardware::{
    ACCELERATOR_CLASS, AMD, DISPLAY_CLASS, Hardware, Hexadecimal, INFINIBAND_CLASS, INTEL, MELLANOX, NVIDIA,
    PciAddress, PciDevice, SWITCH_CLASS,
};

/// Folder in which the kernel lists functions on the PCI bus.
const DEVICES: &str = "sys/bus/pci/devices";
/// Folder of a device tree, which names a system on a chip.
const DEVICE_TREE: &str = "proc/device-tree";
/// Prefix of NVIDIA's systems on a chip in a device tree's `compatible` list.
const TEGRA: &str = "nvidia,tegra";
/// Bytes of a configuration space that hold vendor and device: all ones if nothing answers.
const IDENTITY_BYTES: u64 = 4;
/// Maximum number of bytes to read from a device's product data. An adapter has a few hundred.
const PRODUCT_DATA_LIMIT: u64 = 4 << 10;
/// Mark in the product data of an adapter that manages switches. Source: the script that starts Fabric Manager.
const MANAGES_SWITCHES: &[u8] = b"SMDL=SW_MNG";

/// Reads every device that computes or draws, and the switches between them.
pub fn hardware(root: Root<'_>) -> Hardware {
    let folder = root.path(DEVICES);
    let mut hardware = Hardware { system_on_chip: system_on_chip(root), ..Hardware::default() };
    for name in names(&folder) {
        let Some(device) = name.parse().ok().and_then(|address| device(&folder.join(&name), address)) else { continue };
        let base_class = device.class.0 >> 16;
        if is_switch(&device, &folder.join(&name)) {
            hardware.switches.push(device);
        } else if [NVIDIA, AMD, INTEL].contains(&device.vendor.0)
            && [DISPLAY_CLASS, ACCELERATOR_CLASS].contains(&base_class)
        {
            hardware.devices.push(device);
        }
    }
    hardware
}

/// Returns true if it is a switch, or an adapter that stands for switches. On boards with GPUs since Blackwell,
/// switches are reached through `InfiniBand` adapters. Only their product data, which the kernel shows only to root,
/// distinguishes them from others of their model.
fn is_switch(device: &PciDevice, folder: &Path) -> bool {
    let manages_switches = || {
        let data = head(&folder.join("vpd"), PRODUCT_DATA_LIMIT).unwrap_or_default();
        data.windows(MANAGES_SWITCHES.len()).any(|window| window == MANAGES_SWITCHES)
    };
    match (device.vendor.0, device.class.0 >> 8) {
        (NVIDIA, SWITCH_CLASS) => true,
        (MELLANOX, INFINIBAND_CLASS) => !device.is_virtual_function && manages_switches(),
        _ => false,
    }
}

/// Reads a function. Returns `None` if the kernel does not even report its kind.
fn device(folder: &Path, address: PciAddress) -> Option<PciDevice> {
    let hexadecimal = |name: &str| text(&folder.join(name))?.parse::<Hexadecimal>().ok();
    Some(PciDevice {
        address,
        vendor: hexadecimal("vendor")?,
        device: hexadecimal("device")?,
        subsystem_vendor: hexadecimal("subsystem_vendor"),
        subsystem_device: hexadecimal("subsystem_device"),
        class: hexadecimal("class")?,
        kernel_driver: kernel_driver(folder),
        answers: answers(folder),
        is_virtual_function: folder.join("physfn").symlink_metadata().is_ok(),
        numa_node: number::<u32>(&folder.join("numa_node")),
        link_speed: text(&folder.join("current_link_speed")),
        link_width: number(&folder.join("current_link_width")),
        max_link_width: number(&folder.join("max_link_width")),
        largest_window_bytes: largest_window(folder),
        memory_total_bytes: number(&folder.join("mem_info_vram_total")),
        memory_used_bytes: number(&folder.join("mem_info_vram_used")),
        product: text(&folder.join("product_name")),
    })
}

/// Returns the name of the kernel driver: the end of a link.
fn kernel_driver(folder: &Path) -> Option<String> {
    let target = folder.join("driver").read_link().ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// Returns true if the device answers, or `None` if its configuration space cannot be read. The kernel caches `vendor`
/// from its first contact with the device, so only the configuration space shows that it has since fallen off the bus.
fn answers(folder: &Path) -> Option<bool> {
    let identity = head(&folder.join("config"), IDENTITY_BYTES).filter(|bytes| bytes.len() == 4)?;
    Some(identity.iter().any(|byte| *byte != u8::MAX))
}

/// Returns the size of the largest window in `resource`: lines of first address, last address and flags.
fn largest_window(folder: &Path) -> Option<u64> {
    let read = |field: &str| u64::from_str_radix(field.strip_prefix("0x")?, 16).ok();
    let size = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (first, last) = (read(fields.next()?)?, read(fields.next()?)?);
        (last > first).then(|| (last - first).checked_add(1))?
    };
    text(&folder.join("resource"))?.lines().filter_map(size).max()
}

/// Returns the model of an NVIDIA system on a chip, whose GPU is on no PCI bus.
fn system_on_chip(root: Root<'_>) -> Option<String> {
    let tree = root.path(DEVICE_TREE);
    let compatible = text(&tree.join("compatible"))?;
    let is_tegra = compatible.split('\0').any(|name| name.starts_with(TEGRA));
    is_tegra.then(|| text(&tree.join("model")).unwrap_or_else(|| compatible.replace('\0', " ")))
}
