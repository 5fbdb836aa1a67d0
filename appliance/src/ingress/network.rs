//! Addresses of a network, such as `192.0.2.0/24`, or a single address.

use std::net::IpAddr;
use std::str::FromStr;

/// Minimum prefix lengths: a shorter prefix would trust a large part of the internet.
const SHORTEST: [u32; 2] = [8, 16];

/// Addresses that share a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Returns true if the network contains an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(u32::BITS - self.prefix).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(u128::BITS - self.prefix).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    /// Parses a network. An IPv4 address within IPv6 becomes the IPv4 address, as connections report it.
    fn from_str(text: &str) -> Result<Self, String> {
        let unread = || format!("{text} is not an address or a network, such as 192.0.2.7 or 10.244.0.0/16");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let written: IpAddr = address.parse().map_err(|_| unread())?;
        let address = written.to_canonical();
        let within = if address == written { 0 } else { u128::BITS - u32::BITS };
        let [shortest, longest] = match address {
            IpAddr::V4(_) => [SHORTEST[0], u32::BITS].map(|bits| bits + within),
            IpAddr::V6(_) => [SHORTEST[1], u128::BITS],
        };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.parse().map_err(|_| unread()))?;
        if !(shortest..=longest).contains(&prefix) {
            return Err(format!("{text} has a prefix that is not from {shortest} to {longest}"));
        }
        Ok(Self { address, prefix: prefix - within })
    }
}
