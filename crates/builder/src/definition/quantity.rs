//! Amounts of bytes in Kubernetes notation.

use serde::{Deserialize, Deserializer, de};

/// Bytes, written as a number with an optional unit: `4Gi`, `500M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(pub u64);

const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl Quantity {
    fn parse(text: &str) -> Option<Self> {
        let (digits, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, *factor)))
            .unwrap_or((text, 1));
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = whole.then(|| digits.parse().ok())??;
        number.checked_mul(factor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not an amount of bytes such as 4Gi or 500M")))
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn quantities_parse_units() {
        for (text, bytes) in [("0", 0), ("12", 12), ("4Gi", 4 << 30), ("500M", 500_000_000), ("1Ti", 1 << 40)] {
            assert_eq!(Quantity::parse(text), Some(Quantity(bytes)), "{text}");
        }
        for bad in ["", "Gi", "-1", "1.5Gi", "4 Gi", "4GB", "99999999999Ti", "+3"] {
            assert_eq!(Quantity::parse(bad), None, "{bad}");
        }
    }
}
