//! The Debian packages that each kind of work needs. Ubuntu has them under the same names.

use std::collections::BTreeSet;

use crate::command::Work;

/// Packages for building `landfall`: a C compiler for the target that ships, used by cryptography and hashing, and the
/// linker in `.cargo/config.toml`.
pub const PROGRAM: &[&str] = &["gcc", "lld", "musl-tools"];

/// Packages for the tests themselves: readers of open formats, shells with completions, an interpreter, a database
/// server, and foreign programs that Landfall must not harm.
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

/// Packages for tests with keys in a PKCS #11 token, through OpenSSL.
pub const TOKEN: &[&str] = &["libengine-pkcs11-openssl", "opensc", "openssl", "softhsm2"];

/// Packages for compiling the node pack's programs, some of which contain C code.
pub const NODE_PACK: &[&str] = &["gcc", "libc6-dev", "libseccomp-dev", "pkgconf"];

/// Packages for compiling Ollama: a compiler, and headers that its Go module lacks.
pub const OLLAMA: &[&str] = &["g++", "libstb-dev", "nlohmann-json3-dev"];

/// Packages for compiling libFuzzer.
pub const FUZZ: &[&str] = &["g++"];

/// Packages for inspecting programs.
pub const INSPECTION: &[&str] = &["binutils"];

/// Packages for building a Debian root filesystem.
pub const ROOTS: &[&str] = &["mmdebstrap", "debian-archive-keyring"];

/// Packages for downloading Python packages.
pub const PYTHON: &[&str] = &["python3", "python3-pip"];

/// Packages for the switch of a test site.
pub const SWITCH: &[&str] = &["iproute2", "procps", "tcpdump", "util-linux"];

/// Packages for a test machine.
pub const MACHINE: &[&str] = &["curl", "iproute2", "nftables", "openssl", "util-linux", "xfsprogs"];

/// Packages for a virtual machine and its stick.
pub const VIRTUAL_MACHINE: &[&str] = &["e2fsprogs", "mtools", "qemu-system-x86", "qemu-utils"];

/// Packages for running programs built for other processors.
pub const EMULATOR: &[&str] = &["qemu-user-static"];

/// Packages for a filesystem that compresses the files of a large release's vendor.
pub const COMPRESSING: &[&str] = &["btrfs-progs"];

/// Packages for browser tests, each with its program, which may come from elsewhere: a headless browser, its driver,
/// and npm, which downloads the accessibility checker.
pub const BROWSER: &[(&str, &str)] = &[("chromium", "chromium"), ("chromium-driver", "chromedriver"), ("npm", "npm")];

/// Packages of [`BROWSER`] that Ubuntu has only in another form.
pub const BROWSER_OF_DEBIAN: &[&str] = &["chromium", "chromium-driver"];

/// Reduces colors of the handbook's screenshots; only reports of the part "pages" need it.
pub const PICTURES: &[&str] = &["pngquant"];

/// Returns the packages of all this work, without those that other software may replace ([`PYTHON`] and [`BROWSER`]).
pub fn of(works: &BTreeSet<Work>) -> BTreeSet<&'static str> {
    works.iter().flat_map(|work| lists_of(*work)).flat_map(|list| list.iter().copied()).collect()
}

fn lists_of(work: Work) -> &'static [&'static [&'static str]] {
    match work {
        Work::Lint | Work::Browser => &[],
        Work::Compile | Work::Removal | Work::Program => &[PROGRAM],
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

/// Programs that must be in `PATH`, because they are started by name, each with the package that provides it.
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
