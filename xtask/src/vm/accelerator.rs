//! Test of whether this host's KVM boots the distribution's kernel. If the host is itself a virtual machine, its
//! `/dev/kvm` may run only kernels made for it. An emulated processor runs any kernel, many times slower.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::image::Image;
use crate::cache::Cache;
use crate::printer;
use crate::site::boot_id;

/// Time limit for a kernel's first line under KVM, which takes less than a second.
const FIRST_LINE_LIMIT: Duration = Duration::from_secs(20);

/// First line of every kernel.
const FIRST_LINE: &str = "Linux version";

/// Executor of the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's processor.
    Kvm,
    /// QEMU's own translation.
    Emulated,
}

impl Accelerator {
    /// Returns the accelerator for this host. The answer is kept until the host boots again.
    pub fn of_this_host(cache: &Cache, image: &Image) -> Result<Self> {
        let key = image.key().with("boot", boot_id());
        let entry = cache.entry("vm-accelerator", &key, |folder| {
            let boots = Path::new("/dev/kvm").exists() && boots_under_kvm(image, &folder.join("console"))?;
            let name = if boots { "kvm" } else { "emulated" };
            std::fs::write(folder.join("name"), name).context("cannot write the accelerator's name")
        })?;
        let name = std::fs::read_to_string(entry.join("name")).context("cannot read the accelerator's name")?;
        Ok(if name == "kvm" { Self::Kvm } else { Self::Emulated })
    }

    /// Returns QEMU's arguments for it.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Emulated => ["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max"],
        }
    }

    /// Returns true if a kernel's output shows that the emulator executed code that the kernel had already replaced.
    /// Linux changes its own code by means of a temporary breakpoint. Occasionally, another emulated processor runs
    /// into the breakpoint afterwards.
    pub fn has_tripped(self, console: &str) -> bool {
        self == Self::Emulated && console.contains("Oops: int3")
    }

    /// Returns its options for the kernel's command line. In an emulated processor, mitigations protect nothing and
    /// cost time. On a busy host, its timer may be late at boot, and a kernel that counts ticks then panics. Under KVM,
    /// the kernel does not count them either. Such a host may need longer than the 90 s after which systemd gives up on
    /// a unit.
    pub fn kernel_options(self) -> &'static str {
        match self {
            Self::Kvm => "",
            Self::Emulated => "mitigations=off no_timer_check systemd.default_timeout_start_sec=900",
        }
    }

    /// Returns the factor by which computation may be slower than on a dedicated machine. Measured on two mostly idle
    /// processors: an emulated install took 978 s, and one on the processors themselves about 150 s.
    pub fn slowness(self) -> u32 {
        match self {
            Self::Kvm => 1,
            Self::Emulated => 7,
        }
    }
}

impl std::fmt::Display for Accelerator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Kvm => "KVM",
            Self::Emulated => "emulated (TCG)",
        })
    }
}

/// Boots the kernel without a disk and waits for its first line.
fn boots_under_kvm(image: &Image, console: &Path) -> Result<bool> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "q35", "-m", "512", "-nodefaults"]);
    command.args(["-no-user-config", "-display", "none", "-no-reboot"]).args(Accelerator::Kvm.arguments());
    command.arg("-serial").arg(format!("file:{}", console.display())).arg("-kernel").arg(image.kernel());
    command.args(["-append", "console=ttyS0 earlyprintk=serial panic=-1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start qemu-system-x86_64")?;
    let end = Instant::now() + FIRST_LINE_LIMIT;
    let mut boots = false;
    while !boots && Instant::now() < end {
        let ended = child.try_wait().context("cannot wait for qemu-system-x86_64")?.is_some();
        boots = std::fs::read(console).is_ok_and(|text| String::from_utf8_lossy(&text).contains(FIRST_LINE));
        if ended {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    child.wait().context("cannot wait for qemu-system-x86_64")?;
    if !boots {
        printer::note("this host's KVM does not boot the distribution's kernel: the machines are emulated");
    }
    Ok(boots)
}
