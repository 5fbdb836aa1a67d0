use serde_json::{Value, json};

use super::*;

const PROGRAM: &str = "/var/lib/landfall/node/current/nvidia-cdi-hook";

/// Every machine that the probe's tests simulate; the files contain the probe's output there.
const MACHINES: [&str; 19] = [
    "a100-mig",
    "crashes",
    "denied",
    "ecc-errors",
    "ends",
    "floods",
    "h100-nvswitch",
    "h100-nvswitch-no-fabric-manager",
    "hangs",
    "jetson",
    "lost",
    "mismatch",
    "mixed",
    "newer",
    "no-driver",
    "none",
    "old-driver",
    "two-l4",
    "vgpu",
];

fn report(machine: &str) -> GpuReport {
    let path = format!("{}/testdata/machines/{machine}.json", env!("CARGO_MANIFEST_DIR"));
    GpuReport::read(&std::fs::read(path).expect("stored")).expect("facts")
}

/// Returns a specification with these devices, in the form of `nvidia-ctk cdi generate --format=json` of version
/// 1.20.0.
fn specification(names: &BTreeSet<String>) -> Value {
    let device = |(minor, name): (usize, &String)| {
        json!({ "name": name,
        "containerEdits": { "deviceNodes": [{ "path": format!("/dev/nvidia{minor}") }] } })
    };
    json!({
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": names.iter().enumerate().map(device).collect::<Vec<_>>(),
        "containerEdits": {
            "env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "deviceNodes": [{ "path": "/dev/nvidiactl" }, { "path": "/dev/nvidia-uvm" }],
            "hooks": [{
                "hookName": "createContainer",
                "path": PROGRAM,
                "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", "/usr/lib/x86_64-linux-gnu"],
                "env": ["NVIDIA_CTK_DEBUG=false"],
            }],
            "mounts": [{
                "hostPath": "/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04",
                "containerPath": "/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04",
                "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"],
            }],
        },
    })
}

fn read(specification: &Value) -> Result<Specification, String> {
    Specification::read(specification.to_string().as_bytes(), Path::new(PROGRAM))
}

#[test]
fn machines_expose_expected_devices() {
    let counts = MACHINES.map(|machine| (machine, uuids(&report(machine)).len()));
    let with_devices: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    let expected = [
        ("a100-mig", 3),
        ("ecc-errors", 1),
        ("h100-nvswitch", 8),
        ("h100-nvswitch-no-fabric-manager", 8),
        ("lost", 1),
        ("mixed", 2),
        ("newer", 1),
        ("old-driver", 1),
        ("two-l4", 2),
        ("vgpu", 1),
    ];
    assert_eq!(with_devices, expected);
    assert!(uuids(&report("a100-mig")).iter().all(|uuid| uuid.starts_with("MIG-")), "the divided GPU is excluded");
}

#[test]
fn specifications_cover_machine_devices() {
    for machine in MACHINES {
        let (report, names) = (report(machine), uuids(&report(machine)));
        if names.is_empty() {
            assert_eq!(read(&specification(&names)).unwrap_err(), "no device", "{machine}");
            continue;
        }
        let whole = read(&specification(&names)).unwrap_or_else(|fault| panic!("{machine}: {fault}"));
        assert_eq!(whole.lacks(&report), BTreeSet::new(), "{machine}");
        let others = BTreeSet::from(["GPU-of-another-machine".to_owned()]);
        assert_eq!(read(&specification(&others)).unwrap().lacks(&report), names, "{machine}");
    }
}

#[test]
fn unsafe_specifications_are_refused() {
    let names = BTreeSet::from(["GPU-1".to_owned()]);
    let refused = |pointer: &str, other: Value| {
        let mut changed = specification(&names);
        *changed.pointer_mut(pointer).expect(pointer) = other;
        read(&changed).expect_err(pointer)
    };
    let hook = "/containerEdits/hooks/0";
    let refusals = [
        refused("/cdiVersion", json!("latest")),
        refused("/kind", json!("other.com/gpu")),
        refused("/devices/0/name", json!("../GPU")),
        refused("/devices/0/containerEdits", json!({})),
        refused("/devices/0/containerEdits/deviceNodes/0/path", json!("/etc/shadow")),
        refused("/devices/0/containerEdits/deviceNodes/0/path", json!("/dev/../etc/shadow")),
        refused("/containerEdits/mounts/0/hostPath", json!("lib/libcuda.so")),
        refused(&format!("{hook}/path"), json!("/tmp/nvidia-cdi-hook")),
        refused(&format!("{hook}/hookName"), json!("whenever")),
        refused("/containerEdits/env/0", json!("NVIDIA_VISIBLE_DEVICES")),
    ];
    let expected = [
        "the version `latest`, which is not valid",
        "devices of the kind `other.com/gpu`, not nvidia.com/gpu",
        "the device `../GPU`, which is not a name",
        "nothing in the device `GPU-1`",
        "the device file `/etc/shadow` as `/etc/shadow`, which is not below /dev",
        "the device file `/dev/../etc/shadow` as `/dev/../etc/shadow`, which is not below /dev",
        "the mount of `lib/libcuda.so` at `/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04`, which are not absolute \
         paths",
        "a hook that is /tmp/nvidia-cdi-hook, not /var/lib/landfall/node/current/nvidia-cdi-hook",
        "the hook `whenever`, which OCI lacks",
        "the variable `NVIDIA_VISIBLE_DEVICES` without a value",
    ];
    assert_eq!(refusals, expected);
    let mut twice = specification(&names);
    let device = twice["devices"][0].clone();
    twice["devices"].as_array_mut().unwrap().push(device);
    assert_eq!(read(&twice).unwrap_err(), "the device `GPU-1` twice");
    assert!(
        Specification::read(b"kind: nvidia.com/gpu\n", Path::new(PROGRAM)).unwrap_err().starts_with("other content: ")
    );
}

#[test]
fn real_specification_is_complete() {
    let kept = |name: &str| {
        let path = format!("{}/testdata/real/h200-idle/{name}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).expect("kept")
    };
    let report = GpuReport::read(&kept("facts")).expect("facts");
    let whole = Specification::read(&kept("specification"), Path::new(PROGRAM)).expect("specification");
    assert_eq!((whole.devices.len(), whole.lacks(&report)), (3, BTreeSet::new()), "by index, by UUID, and `all`");
}
