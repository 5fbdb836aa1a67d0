//! Clocks of the machine, as visible in a container.

use jiff::Timestamp;
use landfall_license::MachineClocks;

/// The present time of all clocks.
pub fn machine_clocks() -> MachineClocks {
    MachineClocks::of(Timestamp::now(), |path| fs_err::read_to_string(path).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn this_machine_has_a_boot_and_has_run() {
        let clocks = machine_clocks();
        assert!(clocks.boot.len() == 36 && clocks.uptime > Duration::ZERO, "{} {:?}", clocks.boot, clocks.uptime);
    }
}
