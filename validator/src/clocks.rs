//! The clocks of the machine, as a container sees them.

use std::time::Duration;

use jiff::Timestamp;
use landfall_license::Clocks;

/// The clocks at one moment.
pub struct MachineClocks {
    wall: Timestamp,
    boot: String,
    uptime: Duration,
}

impl MachineClocks {
    /// All of them, now. Without a kernel's word on boot and uptime, the wall clock is all there is.
    pub fn read() -> Self {
        let text = |path: &str| fs_err::read_to_string(path).unwrap_or_default();
        let uptime = text("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse().ok());
        Self {
            wall: Timestamp::now(),
            boot: text("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            uptime: Duration::from_secs(uptime.unwrap_or_default()),
        }
    }

    /// As kept answers take them.
    pub fn clocks(&self) -> Clocks<'_> {
        Clocks { wall: self.wall, boot: &self.boot, uptime: self.uptime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_boot_and_has_run() {
        let clocks = MachineClocks::read();
        assert!(clocks.boot.len() == 36 && clocks.uptime > Duration::ZERO, "{} {:?}", clocks.boot, clocks.uptime);
    }
}
