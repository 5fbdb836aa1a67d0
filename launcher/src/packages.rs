//! The Debian packages each kind of work needs; Ubuntu has them under the same names.

use std::collections::BTreeSet;

use crate::command::Work;

/// Building `landfall`: a C compiler for the target that ships, for cryptography and hashing, and the linker that `.cargo/config.toml` names.
pub const PROGRAM: &[&str] = &["gcc", "lld", "musl-tools"];

/// What the tests themselves need: readers of open formats, shells that completions are for, an interpreter, a database server, and the
/// foreign programs beside which Landfall must do no harm.
pub const TESTS: &[&str] = &[
    "b3sum",
    "curl",
    "e2fsprogs",
    "fish",
    "gcc",
    "git",
    "iproute2",
    "iptables",
    "libarchive-tools",
    "lld",
    "mount",
    "mtools",
    "musl-tools",
    "nftables",
    "openssl",
    "postgresql",
    "python3",
    "restic",
    "skopeo",
    "time",
    "util-linux",
    "vmtouch",
    "xfsprogs",
    "zsh",
];

/// A token for keys, and OpenSSL's way to it.
pub const TOKEN: &[&str] = &["libengine-pkcs11-openssl", "opensc", "openssl", "softhsm2"];

/// Compiling the node pack's programs, some of which contain C code.
pub const NODE_PACK: &[&str] = &["gcc", "libc6-dev", "libseccomp-dev", "pkgconf"];

/// Compiling Ollama, with the headers that its Go module lacks.
pub const OLLAMA: &[&str] = &["g++", "libstb-dev", "nlohmann-json3-dev"];

/// Compiling libFuzzer.
pub const FUZZ: &[&str] = &["g++"];

/// Looking into programs.
pub const INSPECTION: &[&str] = &["binutils"];

/// Making a Debian root.
pub const ROOTS: &[&str] = &["mmdebstrap", "debian-archive-keyring"];

/// Downloading Python packages.
pub const PYTHON: &[&str] = &["python3", "python3-pip"];

/// The switch of a test site.
pub const SWITCH: &[&str] = &["iproute2", "procps", "tcpdump", "util-linux"];

/// A test machine.
pub const MACHINE: &[&str] = &["curl", "iproute2", "nftables", "openssl", "util-linux", "xfsprogs"];

/// A virtual machine and its stick.
pub const VIRTUAL_MACHINE: &[&str] = &["e2fsprogs", "mtools", "qemu-system-x86", "qemu-utils"];

/// Running programs for other processors.
pub const EMULATOR: &[&str] = &["qemu-user-static"];

/// A filesystem that compresses what a vendor of a large release has.
pub const COMPRESSING: &[&str] = &["btrfs-progs"];

/// A browser without a window, what drives it, and the client of the registry that its checker of accessibility comes from: packages, and
/// the program of each, which may come from elsewhere.
pub const BROWSER: &[(&str, &str)] = &[("chromium", "chromium"), ("chromium-driver", "chromedriver"), ("npm", "npm")];

/// Those of [`BROWSER`] that Ubuntu has in another form alone.
pub const BROWSER_OF_DEBIAN: &[&str] = &["chromium", "chromium-driver"];

/// The packages of all this work, without those that other software may replace ([`PYTHON`] and [`BROWSER`]).
pub fn of(works: &BTreeSet<Work>) -> BTreeSet<&'static str> {
    works.iter().flat_map(|work| lists_of(*work)).flat_map(|list| list.iter().copied()).collect()
}

fn lists_of(work: Work) -> &'static [&'static [&'static str]] {
    match work {
        Work::Lint | Work::Browser => &[],
        Work::Compile | Work::Program => &[PROGRAM],
        Work::Tests => &[TESTS, TOKEN],
        Work::Fuzz => &[FUZZ],
        Work::Ollama => &[OLLAMA],
        Work::Emulator => &[EMULATOR],
        Work::Parts => &[NODE_PACK, INSPECTION, ROOTS],
        Work::Machines => &[ROOTS, SWITCH, MACHINE],
        Work::VirtualMachines => &[ROOTS, VIRTUAL_MACHINE],
        Work::LargeRelease => &[COMPRESSING],
    }
}

/// The programs that are started by name and so must be found in `PATH`, with the packages that provide them.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("gcc", "gcc"),
    ("git", "git"),
    ("iptables", "iptables-nft"),
    ("lld", "ld.lld"),
    ("musl-tools", "musl-gcc"),
    ("binutils", "readelf"),
    ("mmdebstrap", "mmdebstrap"),
    ("openssl", "openssl"),
    ("pkgconf", "pkg-config"),
    ("restic", "restic"),
    ("skopeo", "skopeo"),
    ("util-linux", "unshare"),
    ("vmtouch", "vmtouch"),
];
