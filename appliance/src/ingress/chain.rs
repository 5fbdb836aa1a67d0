//! The addresses that proxies have appended to a header, the last one first.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use super::settings::Chain;

/// Most proxies in a row that are looked at.
const HOPS: usize = 16;

impl Chain {
    const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// The addresses, the last one first, up to the first that cannot be read: what is before that is not believed.
    pub fn addresses(self, headers: &HeaderMap) -> Vec<IpAddr> {
        // Bytes that are no text spoil their own element alone: a browser must not hide the address that a proxy appended to its line.
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

/// An address, which may have a port, and brackets where it is one of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let read = bare.parse::<IpAddr>().or_else(|_| bare.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    read.ok().map(|address| address.to_canonical())
}
