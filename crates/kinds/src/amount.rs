//! Amounts of resources in Kubernetes' notation.

/// Suffixes of a figure, each with its factor as a numerator and a denominator.
const UNITS: [(&str, u128, u128); 16] = [
    ("", 1, 1),
    ("n", 1, 1_000_000_000),
    ("u", 1, 1_000_000),
    ("m", 1, 1_000),
    ("k", 1_000, 1),
    ("M", 1_000_000, 1),
    ("G", 1_000_000_000, 1),
    ("T", 1_000_000_000_000, 1),
    ("P", 1_000_000_000_000_000, 1),
    ("E", 1_000_000_000_000_000_000, 1),
    ("Ki", 1 << 10, 1),
    ("Mi", 1 << 20, 1),
    ("Gi", 1 << 30, 1),
    ("Ti", 1 << 40, 1),
    ("Pi", 1 << 50, 1),
    ("Ei", 1 << 60, 1),
];

/// Parses bytes or other whole units, rounded up, as Kubernetes does. Returns `None` for text that is not an amount, or
/// that is negative or too large.
pub fn parse_whole(text: &str) -> Option<u64> {
    parts(text, 1)
}

/// Parses an amount as thousandths of a core, in the same way.
pub fn thousandths(text: &str) -> Option<u64> {
    parts(text, 1_000)
}

/// Returns true if this is a negative amount.
pub(super) fn is_negative(text: &str) -> bool {
    let above = text.strip_prefix('-').and_then(split);
    above.is_some_and(|(figure, _)| figure.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

/// Splits an amount without a sign into figure and suffix; `None` if it is not an amount.
pub(super) fn split(number: &str) -> Option<(&str, &str)> {
    let end = number.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(number.len());
    let (figure, suffix) = number.split_at(end);
    let is_figure = figure.bytes().any(|byte| byte.is_ascii_digit()) && figure.matches('.').count() <= 1;
    let is_unit = UNITS.iter().any(|(unit, ..)| *unit == suffix);
    (is_figure && (is_unit || is_exponent(suffix))).then_some((figure, suffix))
}

fn is_exponent(suffix: &str) -> bool {
    let digits = suffix.strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Parses an amount in units of which `of_one` make a whole.
fn parts(text: &str, of_one: u128) -> Option<u64> {
    let (figure, suffix) = split(text.strip_prefix('+').unwrap_or(text))?;
    let (before, behind) = figure.split_once('.').unwrap_or((figure, ""));
    let digits: u128 = format!("{before}{behind}").parse().ok()?;
    let (times, divided) = factor(suffix)?;
    let decimals = 10_u128.checked_pow(u32::try_from(behind.len()).ok()?)?;
    let above = digits.checked_mul(of_one)?.checked_mul(times)?;
    u64::try_from(above.div_ceil(decimals.checked_mul(divided)?)).ok()
}

fn factor(suffix: &str) -> Option<(u128, u128)> {
    if let Some((_, times, divided)) = UNITS.iter().find(|(unit, ..)| *unit == suffix) {
        return Some((*times, *divided));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_parse_as_in_kubernetes() {
        for (text, cores) in
            [("500m", 500), ("2", 2000), ("0.1", 100), (".5", 500), ("1.", 1000), ("1500u", 2), ("1n", 1), ("0", 0)]
        {
            assert_eq!(thousandths(text), Some(cores), "{text}");
        }
        for (text, bytes) in [
            ("2Gi", 2 << 30),
            ("500M", 500_000_000),
            ("1.5Ki", 1536),
            ("128974848", 128_974_848),
            ("129e6", 129_000_000),
            ("12E+3", 12_000),
            ("5e-3", 1),
            ("128974848000m", 128_974_848),
            ("1E", 1_000_000_000_000_000_000),
            ("+3k", 3000),
        ] {
            assert_eq!(parse_whole(text), Some(bytes), "{text}");
        }
        for other in ["", ".", "Gi", "-1", "1.2.3", "2GB", "1e", "plenty", "99999999999Ei", "1e99", "1 Gi"] {
            assert_eq!(parse_whole(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}") {
            let _read = (parse_whole(&text), thousandths(&text));
        }

        #[test]
        fn integers_round_trip(bytes in 0..u64::MAX) {
            prop_assert_eq!(parse_whole(&bytes.to_string()), Some(bytes));
            prop_assert_eq!(parse_whole(&format!("{bytes}000m")), Some(bytes));
        }
    }
}
