//! Tests of reading trees with the kernel's files.

use crate::driver::{FabricManager, Flavor};
use crate::hardware::{AMD, MELLANOX, NVIDIA, SupportedBy};
use crate::sample::Tree;

const H200: u32 = 0x2335;
const GPU_CLASS: u32 = 0x03_0200;

#[test]
fn empty_tree_shows_nothing() {
    let tree = Tree::empty();
    assert_eq!(tree.root().hardware(), crate::hardware::Hardware::default());
    let driver = tree.root().driver();
    assert!(!driver.is_loaded());
    assert_eq!(driver.fabric_manager, FabricManager::NotSeen);
}

#[test]
fn gpus_and_switches_are_distinguished() {
    let tree = Tree::empty()
        .pci("0000:01:00.0", NVIDIA, H200, GPU_CLASS)
        .pci("0000:02:00.0", NVIDIA, 0x22a3, 0x06_8000)
        .pci("0000:03:00.0", AMD, 0x74a1, 0x12_0000)
        .pci("0000:04:00.0", 0x8086, 0x56c0, 0x03_8000)
        .pci("0000:05:00.0", 0x1a03, 0x2000, 0x03_0000)
        .pci("0000:06:00.0", NVIDIA, 0x22ba, 0x04_0300)
        .pci("0000:07:00.0", 0x8086, 0x1521, 0x02_0000)
        .file("sys/bus/pci/devices/0000:03:00.0/mem_info_vram_total", "206141652992\n")
        .file("sys/bus/pci/devices/0000:03:00.0/product_name", "AMD Instinct MI300X\n");
    let hardware = tree.root().hardware();
    let addresses: Vec<String> = hardware.devices.iter().map(|device| device.address.to_string()).collect();
    assert_eq!(addresses, ["0000:01:00.0", "0000:03:00.0", "0000:04:00.0"]);
    assert_eq!(hardware.switches.len(), 1);
    assert_eq!(hardware.devices[1].memory_total_bytes, Some(206_141_652_992));
    assert_eq!(hardware.devices[1].product.as_deref(), Some("AMD Instinct MI300X"));
}

/// Two adapters of one model: one for the network, and one that manages switches.
#[test]
fn hidden_switches_are_found_by_adapters() {
    let adapter = |tree: Tree, address: &str, product: &[u8]| {
        tree.pci(address, MELLANOX, 0x1021, 0x02_0700).file(&format!("sys/bus/pci/devices/{address}/vpd"), product)
    };
    let tree = adapter(Tree::empty(), "0000:0a:00.0", b"\x82\x2a\0NVIDIA ConnectX-7\x90PN\x0cMCX75310AAS");
    let tree = adapter(tree, "0000:0b:00.0", b"\x82\x2a\0NVIDIA ConnectX-7\x90V3\x20\0\xffSMDL=SW_MNG");
    let tree = tree.pci("0000:0c:00.0", MELLANOX, 0x1021, 0x02_0700);
    let hardware = tree.root().hardware();
    let addresses: Vec<String> = hardware.switches.iter().map(|device| device.address.to_string()).collect();
    assert_eq!(addresses, ["0000:0b:00.0"]);
    assert_eq!(hardware.devices, []);
}

#[test]
fn gpu_generations_need_different_modules() {
    let of = |device: u32| {
        let tree = Tree::empty().pci("0000:01:00.0", NVIDIA, device, GPU_CLASS);
        tree.root().hardware().devices[0].supported_by()
    };
    // V100 and T4; H200, L4 and AD107; B200, RTX PRO 6000 and B300.
    assert_eq!((of(0x1db6), of(0x1eb8)), (Some(SupportedBy::ProprietaryModules), Some(SupportedBy::BothModules)));
    assert!([H200, 0x27b8, 0x28a3].into_iter().all(|device| of(device) == Some(SupportedBy::BothModules)));
    assert!([0x2901, 0x2bb5, 0x3182].into_iter().all(|device| of(device) == Some(SupportedBy::OpenModules)));
}

#[test]
fn unreachable_device_does_not_answer() {
    let path = "sys/bus/pci/devices/0000:01:00.0";
    let tree = Tree::empty().pci("0000:01:00.0", NVIDIA, H200, GPU_CLASS).held_by("0000:01:00.0", "nvidia");
    let device = &tree.root().hardware().devices[0];
    assert_eq!((device.answers, device.kernel_driver.as_deref()), (Some(true), Some("nvidia")));
    assert_eq!(device.numa_node, None, "-1 means none");
    let tree = tree.file(&format!("{path}/config"), [0xff; 64]);
    assert_eq!(tree.root().hardware().devices[0].answers, Some(false));
    let tree = tree.file(&format!("{path}/config"), [0xff; 2]);
    assert_eq!(tree.root().hardware().devices[0].answers, None, "too short to say");
}

#[test]
fn largest_window_and_link_are_read() {
    let path = "sys/bus/pci/devices/0000:01:00.0";
    let tree = Tree::empty()
        .pci("0000:01:00.0", NVIDIA, H200, GPU_CLASS)
        .file(
            &format!("{path}/resource"),
            "0x0000223042000000 0x0000223042ffffff 0x000000000014220c\n\
             0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
             0x0000220000000000 0x0000223fffffffff 0x000000000014220c\n\
             0xffffffffffffffff 0x0 garbage\n0x0 0xffffffffffffffff 0x0\n",
        )
        .file(&format!("{path}/current_link_width"), "16\n")
        .file(&format!("{path}/current_link_speed"), "32.0 GT/s PCIe\n");
    let device = &tree.root().hardware().devices[0];
    assert_eq!(device.largest_window_bytes, Some(256 << 30), "a window of the whole address space is ignored");
    assert_eq!((device.link_width, device.link_speed.as_deref()), (Some(16), Some("32.0 GT/s PCIe")));
}

#[test]
fn driver_flavors_are_read() {
    let tree =
        Tree::empty().pci("0000:01:00.0", NVIDIA, H200, GPU_CLASS).nvidia_driver("580.159.04", &["0000:01:00.0"]);
    let driver = tree.root().driver();
    assert_eq!(driver.version.as_ref().map(ToString::to_string).as_deref(), Some("580.159.04"));
    assert_eq!(driver.flavor, Some(Flavor::Open));
    assert_eq!((driver.gpus[0].minor, driver.gpus[0].is_excluded), (Some(0), false));
    let names: Vec<&str> = driver.device_files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["nvidia0", "nvidiactl"]);
    assert!(driver.device_files.iter().all(|file| file.is_accessible));
    let old =
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\nGCC version: 12\n";
    let driver = tree.file("proc/driver/nvidia/version", old).root().driver();
    assert_eq!(driver.version.map(|version| version.branch()), Some(470));
    assert_eq!(driver.flavor, Some(Flavor::Proprietary));
}

#[test]
fn fabric_manager_absence_needs_full_view() {
    let container = Tree::empty().file("proc/1/comm", "python3\n");
    assert_eq!(container.root().driver().fabric_manager, FabricManager::NotSeen);
    let host = container.file("proc/1/comm", "systemd\n").file("proc/77/comm", "nvidia-persiste\n");
    assert_eq!(host.root().driver().fabric_manager, FabricManager::NotRunning);
    let running = host.file("proc/78/comm", "nv-fabricmanage\n");
    assert_eq!(running.root().driver().fabric_manager, FabricManager::Running);
}

#[test]
fn device_tree_identifies_system_on_chip() {
    let tree = Tree::empty()
        .file("proc/device-tree/compatible", "nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0")
        .file("proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0");
    let model = tree.root().hardware().system_on_chip;
    assert_eq!(model.as_deref(), Some("NVIDIA Jetson AGX Orin Developer Kit"));
    let other = Tree::empty().file("proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0");
    assert_eq!(other.root().hardware().system_on_chip, None);
}

#[test]
fn malformed_files_are_ignored() {
    let tree = Tree::empty()
        .pci("0000:01:00.0", NVIDIA, H200, GPU_CLASS)
        .file("sys/bus/pci/devices/0000:01:00.0/class", "what\n")
        .file("sys/bus/pci/devices/not-an-address/vendor", "0x10de\n")
        .file("proc/driver/nvidia/version", [0xff, 0xfe, 0])
        .file("proc/driver/nvidia/gpus/nowhere/information", "");
    std::fs::create_dir_all(tree.path().join("sys/bus/pci/devices/0000:09:00.0/vendor")).expect("a folder, not a file");
    assert!(tree.root().hardware().devices.is_empty());
    assert!(tree.root().driver().gpus.is_empty());
    assert!(!tree.root().driver().is_loaded());
}

#[test]
fn gpu_layout_follows_gpus_and_parts() {
    assert_eq!(Tree::empty().root().gpu_layout(), None, "no driver");
    let tree =
        Tree::empty().pci("0000:01:00.0", NVIDIA, H200, GPU_CLASS).nvidia_driver("580.159.04", &["0000:01:00.0"]);
    let whole = tree.root().gpu_layout().expect("a GPU");
    assert_eq!((whole.gpus.len(), whole.parts.len()), (1, 0));
    let folder = "proc/driver/nvidia/capabilities/gpu0/mig";
    let divided = tree
        .file(&format!("{folder}/gi1/access"), "DeviceFileMinor: 12\n")
        .file(&format!("{folder}/gi1/ci0/access"), "DeviceFileMinor: 13\n")
        .file(&format!("{folder}/gi2/ci0/access"), "DeviceFileMinor: 22\n")
        .file("proc/driver/nvidia/capabilities/mig/config", "DeviceFileMinor: 1\n");
    let layout = divided.root().gpu_layout().expect("a divided GPU");
    assert_eq!(layout.parts, ["gpu0/mig/gi1/ci0", "gpu0/mig/gi2/ci0"]);
    assert_ne!(layout, whole);
    let excluded = "Device Minor: \t 0\nGPU Excluded:\t Yes\n";
    let ignored = divided.file("proc/driver/nvidia/gpus/0000:01:00.0/information", excluded);
    assert_eq!(ignored.root().gpu_layout(), None, "the driver ignores its only GPU");
}
