//! Facts about a machine. They contain no decisions, and a test can make them up.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// A version as three numbers.
pub type Version = (u32, u32, u32);

/// Everything that the checks read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a separate fact
pub struct Facts {
    /// True if this process has root privileges.
    pub is_root: bool,
    /// The operating system.
    pub system: System,
    /// The machine's architecture as the kernel names it, such as `x86_64`.
    pub architecture: String,
    /// The Rust toolchain; None if `rustc` cannot be started.
    pub rust: Option<Rust>,
    /// Debian packages of the work that are not installed.
    pub missing_packages: BTreeSet<&'static str>,
    /// Programs of installed packages that are not in `PATH`: package and program.
    pub missing_programs: BTreeSet<(&'static str, &'static str)>,
    /// The Go toolchain; None if `go` cannot be started.
    pub go: Option<Go>,
    /// The newest Go that a recipe requires.
    pub go_wanted: Version,
    /// True if `python3 -m pip` works.
    pub has_pip: bool,
    /// Browser packages whose programs are not in `PATH`.
    pub missing_browser: BTreeSet<&'static str>,
    /// Memory available to processes here, in bytes.
    pub memory_bytes: u64,
    /// Filesystems of this clone and of the cache, each listed once.
    pub disks: Vec<Disk>,
    /// True if the cache already holds the real parts.
    pub is_warm: bool,
    /// True if the kernel provides loop devices here.
    pub has_loop_devices: bool,
    /// This process's access to cgroups.
    pub cgroups: Cgroups,
    /// Kernel modules that are neither built in nor loadable.
    pub missing_modules: BTreeSet<&'static str>,
    /// The configured proxy, if requests to loopback would go through it.
    pub loopback_proxy: Option<String>,
    /// Package sources that were tried and did not answer.
    pub unreachable: Vec<UnreachableSource>,
}

/// An operating system, from `/etc/os-release`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`; empty on a rolling release.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
    /// True if apt has at least one source to install from.
    pub has_apt_sources: bool,
}

/// A Rust toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rust {
    /// The compiler's version.
    pub version: Version,
    /// The oldest compiler that builds the project.
    pub wanted: Version,
    /// True if rustup manages the toolchain and can thus extend it.
    pub has_rustup: bool,
    /// True if the standard library for the target that ships is installed.
    pub has_target: bool,
    /// Components that cannot be started, among `rustfmt` and `clippy`.
    pub missing_components: Vec<&'static str>,
}

/// A Go toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Go {
    /// Its version.
    pub version: Version,
    /// `GOTOOLCHAIN`: `local` keeps Go from fetching a newer one.
    pub toolchain: String,
}

/// A filesystem in which the work stores files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// A folder on it that the work writes to.
    pub folder: PathBuf,
    /// Free bytes for this user.
    pub free_bytes: u64,
    /// True if it holds the clone.
    pub has_clone: bool,
    /// True if it holds the cache.
    pub has_cache: bool,
}

/// A process's access to cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroups {
    /// Machines can have their own cgroups.
    Delegable,
    /// No version 2 hierarchy is mounted, which is needed to freeze and kill a machine.
    NoVersion2,
    /// The hierarchy is mounted read-only, as in a container without privileges.
    ReadOnly,
    /// A container's root group holds processes, so the kernel refuses controllers below it with EBUSY.
    Occupied,
}

/// A package source that did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreachableSource {
    /// Content that comes from it, such as `Go modules`.
    pub what: &'static str,
    /// The client that was used, with the command line that reproduces the failure.
    pub command: String,
    /// The client's error message, shortened.
    pub reason: String,
}
