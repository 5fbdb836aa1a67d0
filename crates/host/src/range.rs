//! Ranges of addresses in CIDR notation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A range of addresses, such as `10.244.0.0/16`. Bits beyond the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpRange {
    address: IpAddr,
    prefix: u8,
}

/// A text that is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// Not an address, a slash and a prefix length.
    #[error("`{0}` is not a range of addresses such as 10.244.0.0/16")]
    Form(String),
    /// Bits beyond the prefix are set.
    #[error("`{0}` is an address within the range {1}, not a range")]
    Host(String, IpRange),
}

impl IpRange {
    /// Returns the first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the prefix length in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns true if the range contains an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        first_address(address, self.prefix) == self.address && address.is_ipv4() == self.address.is_ipv4()
    }

    /// Returns true if two ranges share addresses.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

/// Returns the address with all bits beyond the prefix cleared.
fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            IpAddr::V4((address.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)).into())
        }
        IpAddr::V6(address) => IpAddr::V6(
            (address.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)).into(),
        ),
    }
}

impl FromStr for IpRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let form = || InvalidRange::Form(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(form)?;
        let range = Self { address: first_address(address, prefix), prefix };
        if range.address == address { Ok(range) } else { Err(InvalidRange::Host(text.to_owned(), range)) }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for IpRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IpRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_are_parsed() {
        for good in ["10.244.0.0/16", "0.0.0.0/0", "192.168.1.7/32", "fd00::/8", "::/0"] {
            assert_eq!(good.parse::<IpRange>().unwrap().to_string(), good);
        }
        for bad in ["", "10.244.0.0", "10.244.0.0/33", "10.244.0.0/-1", "10.244.0/16", "fd00::/129", "10.0.0.0/8/8"] {
            assert!(matches!(bad.parse::<IpRange>(), Err(InvalidRange::Form(_))), "{bad}");
        }
        let host = "10.244.3.0/16".parse::<IpRange>().unwrap_err();
        assert_eq!(host.to_string(), "`10.244.3.0/16` is an address within the range 10.244.0.0/16, not a range");
    }

    #[test]
    fn overlapping_ranges_are_detected() {
        let range = |text: &str| text.parse::<IpRange>().unwrap();
        assert!(range("10.0.0.0/8").overlaps(&range("10.244.0.0/16")));
        assert!(range("10.244.0.0/16").overlaps(&range("10.0.0.0/8")));
        assert!(!range("10.244.0.0/16").overlaps(&range("10.245.0.0/16")));
        assert!(!range("0.0.0.0/0").overlaps(&range("::/0")));
        assert!(range("10.244.0.0/16").contains("10.244.255.255".parse().unwrap()));
    }
}
