//! Numbers with units, formatted for people. Templates pass references, so the functions accept values and references.

use std::borrow::Borrow;

/// Text for a figure that the host does not have; zero would be a figure.
pub const NOT_MEASURED: &str = "not measured";

/// Formats bytes in the unit that leaves one to four digits: `3.0 GiB`.
pub fn bytes(count: impl Borrow<u64>) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let count = *count.borrow();
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (u128::from(count) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let (whole, rest, unit) = (tenths / 10, tenths % 10, UNITS[unit]);
    if tenths >= 1000 { format!("{whole} {unit}") } else { format!("{whole}.{rest} {unit}") }
}

/// Formats processor time in cores: `0.25`, `12`.
pub fn cores(millicores: impl Borrow<u64>) -> String {
    let millicores = *millicores.borrow();
    let text = format!("{}.{:03}", millicores / 1000, millicores % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns a part of a whole in percent, rounded down.
pub fn percent(part: impl Borrow<u64>, whole: impl Borrow<u64>) -> u64 {
    let (part, whole) = (*part.borrow(), *whole.borrow());
    if whole == 0 {
        return 0;
    }
    u64::try_from(u128::from(part.min(whole)) * 100 / u128::from(whole)).unwrap_or(100)
}

/// Formats a number with its noun: `1 node`, `3 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Returns the beginning of a digest, enough to recognize it.
pub fn short(digest: &str) -> &str {
    let hexadecimal = digest.strip_prefix("sha256:").unwrap_or(digest);
    hexadecimal.get(..12).unwrap_or(hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0, 1023, 1024, 1536, 3 << 30, 60 << 30, 100 << 30, 5 << 50].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "3.0 GiB", "60.0 GiB", "100 GiB", "5.0 PiB"]
        );
        assert_eq!([0, 7, 250, 1500, 12_000, 100_000].map(cores), ["0", "0.007", "0.25", "1.5", "12", "100"]);
        assert_eq!((percent(1, 3), percent(5, 0), percent(u64::MAX, u64::MAX)), (33, 0, 100));
        assert_eq!(short("sha256:abcdef0123456789"), "abcdef012345");
    }
}
