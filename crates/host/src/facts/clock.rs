//! Facts of the clock: its source, its synchronization, its drift, and its value at boot.

use std::time::{SystemTime, UNIX_EPOCH};

use super::host::read;
use super::system::System;
use crate::paths::SitePaths;

/// Programs that synchronize a clock.
const TIME_PROGRAMS: [&str; 6] = ["chronyd", "systemd-timesyn", "ntpd", "ntpsec", "ptp4l", "openntpd"];

/// Files in which these programs record the clock's frequency error, by program and distribution.
const DRIFT_FILES: [&str; 5] = [
    "/var/lib/chrony/chrony.drift",
    "/var/lib/chrony/drift",
    "/var/lib/ntp/ntp.drift",
    "/var/lib/ntp/drift",
    "/var/lib/ntpsec/ntp.drift",
];

/// Folder of the clocks that run while the host is off.
const HARDWARE_CLOCKS: &str = "/sys/class/rtc";

/// 2000-01-01 in seconds after 1970: an earlier time means that a clock was never set.
const LEAST_SECONDS: i64 = 946_684_800;

/// Returns the kernel's clock source, such as `tsc`.
pub(super) fn source(paths: &SitePaths) -> Option<String> {
    let text = read(&paths.host("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Returns the program that synchronizes the clock.
pub(super) fn time_program(system: &System) -> Option<String> {
    system.running(&TIME_PROGRAMS).into_iter().next()
}

/// Returns the clock's drift without correction, in parts per billion, as last measured by the synchronizing program;
/// `None` without such a record.
pub(super) fn drift_ppb(paths: &SitePaths) -> Option<i64> {
    DRIFT_FILES.iter().find_map(|path| thousandths(read(&paths.host(path)).split_whitespace().next()?))
}

/// Parses a decimal number in thousandths: `-12.3456` is -12345.
fn thousandths(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let (whole, fraction): (i64, i64) = (whole.parse().ok()?, fraction.parse().ok()?);
    Some(sign * whole.checked_mul(1000)?.checked_add(fraction)?)
}

/// Returns the time of the hardware clock from which the kernel set its own at boot, in seconds after 1970. `None`
/// without one, or if it was never set.
fn hardware_seconds(paths: &SitePaths) -> Option<i64> {
    let clocks = fs_err::read_dir(paths.host(HARDWARE_CLOCKS)).ok()?;
    let mut folders = clocks.filter_map(|entry| Some(entry.ok()?.path()));
    let clock = folders.find(|folder| read(&folder.join("hctosys")).trim() == "1")?;
    read(&clock.join("since_epoch")).trim().parse::<i64>().ok().filter(|seconds| *seconds >= LEAST_SECONDS)
}

/// Returns the seconds by which the system clock is ahead of the hardware clock; `None` without one, or if it holds
/// local time.
pub(super) fn ahead_of_hardware(paths: &SitePaths) -> Option<i64> {
    let is_local = read(&paths.host("/etc/adjtime")).lines().any(|line| line.trim() == "LOCAL");
    let hardware = hardware_seconds(paths).filter(|_| !is_local)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(now.as_secs()).ok()?.checked_sub(hardware)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::sample::host;

    #[test]
    fn clock_source_and_drift_are_read() {
        let (_folder, paths) = host(&[
            ("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
            ("/var/lib/chrony/drift", "            -12.345678             0.051234\n"),
        ]);
        let system = System { programs: ["chronyd".to_owned()].into(), ..System::default() };
        assert_eq!((source(&paths).as_deref(), time_program(&system).as_deref()), (Some("tsc"), Some("chronyd")));
        assert_eq!(drift_ppb(&paths), Some(-12_345));
        let (_folder, paths) = host(&[]);
        assert_eq!((source(&paths), time_program(&System::default()), drift_ppb(&paths)), (None, None, None));
    }

    #[test]
    fn decimal_numbers_become_thousandths() {
        for (text, expected) in [
            ("0.5", Some(500)),
            ("7", Some(7000)),
            ("-0.0019", Some(-1)),
            ("", None),
            ("-", None),
            ("1.2e3", None),
            ("99999999999999999999", None),
            ("9223372036854775807", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }

    #[test]
    fn local_hardware_clock_is_ignored() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let hour_behind = (now - 3600).to_string();
        let with = |adjustment: &str| {
            host(&[
                ("/sys/class/rtc/rtc0/hctosys", "1\n"),
                ("/sys/class/rtc/rtc0/since_epoch", &hour_behind),
                ("/etc/adjtime", adjustment),
            ])
        };
        let (_folder, paths) = with("0.0 0 0.0\n0\nUTC\n");
        assert!((3600..3660).contains(&ahead_of_hardware(&paths).unwrap()));
        let (_folder, paths) = with("0.0 0 0.0\n0\nLOCAL\n");
        assert_eq!(ahead_of_hardware(&paths), None);
        assert_eq!(ahead_of_hardware(&host(&[]).1), None);
    }

    #[test]
    fn hardware_clock_follows_hctosys() {
        let of = |files: &[(&str, &str)]| hardware_seconds(&host(files).1);
        let (first, second) = ("/sys/class/rtc/rtc0/since_epoch", "/sys/class/rtc/rtc1/since_epoch");
        let (is_first, is_second) = ("/sys/class/rtc/rtc0/hctosys", "/sys/class/rtc/rtc1/hctosys");
        let (old, new) = ((first, "1700000000\n"), (second, "1800000000\n"));
        assert_eq!(of(&[old, new, (is_first, "0\n"), (is_second, "1\n")]), Some(1_800_000_000));
        assert_eq!(of(&[old, new, (is_first, "1\n"), (is_second, "0\n")]), Some(1_700_000_000));
        assert_eq!(of(&[old, new, (is_first, "0\n"), (is_second, "0\n")]), None);
        assert_eq!(of(&[old, new]), None);
        // The clock has no battery.
        assert_eq!(of(&[(first, "86400\n"), (is_first, "1\n")]), None);
    }
}
