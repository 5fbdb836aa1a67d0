//! Facts of the clock: what the kernel reads it from, what keeps it right, how it drifts, and what it starts from at a boot.

use std::time::{SystemTime, UNIX_EPOCH};

use super::host::read;
use super::kubernetes::running;
use crate::paths::SitePaths;

/// Programs that keep a clock right.
const TIME_PROGRAMS: [&str; 6] = ["chronyd", "systemd-timesyn", "ntpd", "ntpsec", "ptp4l", "openntpd"];

/// Where these programs keep how much faster or slower the clock runs, by program and distribution.
const DRIFT_FILES: [&str; 5] = [
    "/var/lib/chrony/chrony.drift",
    "/var/lib/chrony/drift",
    "/var/lib/ntp/ntp.drift",
    "/var/lib/ntp/drift",
    "/var/lib/ntpsec/ntp.drift",
];

/// The clock that runs while the host is off, in seconds after 1970.
const HARDWARE_CLOCK: &str = "/sys/class/rtc/rtc0/since_epoch";

/// What the kernel reads time from, such as `tsc`.
pub(super) fn source(paths: &SitePaths) -> Option<String> {
    let text = read(&paths.host("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The program that keeps the clock right.
pub(super) fn time_program(paths: &SitePaths) -> Option<String> {
    running(paths, &TIME_PROGRAMS).into_iter().next()
}

/// How much the clock gains or loses without correction, in billionths, as the program that keeps it right last found; none where no
/// such program has kept it.
pub(super) fn drift_ppb(paths: &SitePaths) -> Option<i64> {
    DRIFT_FILES.iter().find_map(|path| thousandths(read(&paths.host(path)).split_whitespace().next()?))
}

/// A decimal number in thousandths: `-12.3456` is -12345.
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

/// Seconds by which the system's clock is ahead of the hardware clock; none without one, or where it holds local time.
pub(super) fn ahead_of_hardware(paths: &SitePaths) -> Option<i64> {
    let is_local = read(&paths.host("/etc/adjtime")).lines().any(|line| line.trim() == "LOCAL");
    let hardware: i64 = read(&paths.host(HARDWARE_CLOCK)).trim().parse().ok().filter(|_| !is_local)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(now.as_secs()).ok()?.checked_sub(hardware)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::sample::host;

    #[test]
    fn files_tell_what_keeps_time() {
        let (_folder, paths) = host(&[
            ("/proc/18/comm", "chronyd\n"),
            ("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
            ("/var/lib/chrony/drift", "            -12.345678             0.051234\n"),
        ]);
        assert_eq!((source(&paths).as_deref(), time_program(&paths).as_deref()), (Some("tsc"), Some("chronyd")));
        assert_eq!(drift_ppb(&paths), Some(-12_345));
        let (_folder, paths) = host(&[]);
        assert_eq!((source(&paths), time_program(&paths), drift_ppb(&paths)), (None, None, None));
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
    fn the_hardware_clock_is_compared_unless_it_holds_local_time() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let hour_behind = (now - 3600).to_string();
        let (_folder, paths) = host(&[(HARDWARE_CLOCK, &hour_behind), ("/etc/adjtime", "0.0 0 0.0\n0\nUTC\n")]);
        assert!((3600..3660).contains(&ahead_of_hardware(&paths).unwrap()));
        let (_folder, paths) = host(&[(HARDWARE_CLOCK, &hour_behind), ("/etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n")]);
        assert_eq!(ahead_of_hardware(&paths), None);
        assert_eq!(ahead_of_hardware(&host(&[]).1), None);
    }
}
