//! Addresses that proxies have appended to a header, last one first.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use super::settings::Chain;

/// Maximum number of consecutive proxies examined.
const HOPS: usize = 16;

impl Chain {
    const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// Returns the addresses, last one first, up to the first unreadable one: earlier elements are not believed.
    pub fn addresses(self, headers: &HeaderMap) -> Vec<IpAddr> {
        // Invalid bytes spoil only their own element: a browser must not hide the address that a proxy appended to its
        // line.
        let lines = headers.get_all(self.name()).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let list = lines.collect::<Vec<_>>().join(",");
        list.rsplit(',').take(HOPS).map_while(|element| self.address(element)).collect()
    }

    fn address(self, element: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => address(element),
            Self::Forwarded => element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                let is_client = name.trim().eq_ignore_ascii_case("for");
                is_client.then(|| address(value.trim().trim_matches('"'))).flatten()
            }),
        }
    }
}

/// Parses an address, which may have a port, and brackets for IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let read = bare.parse::<IpAddr>().or_else(|_| bare.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    read.ok().map(|address| address.to_canonical())
}
