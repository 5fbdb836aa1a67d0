//! Clocks of the machine, as visible in a container.

use jiff::Timestamp;
use landfall_license::MachineClocks;

/// The current time of all clocks.
pub fn machine_clocks() -> MachineClocks {
    MachineClocks::of(Timestamp::now(), |path| fs_err::read_to_string(path).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn machine_clocks_are_read() {
        let clocks = machine_clocks();
        assert!(clocks.boot.len() == 36 && clocks.uptime > Duration::ZERO, "{} {:?}", clocks.boot, clocks.uptime);
    }
}
