//! Use behind an ingress: proxies that speak for browsers. Off by default: nothing that a request says of its address or of the console's name
//! is believed then.
//!
//! Threats: a browser that names another address for itself, to be counted as someone else by rate limits and in the audit log (only what
//! a trusted proxy has added itself counts: the list is read from its end); a stranger who reaches the console past the proxy (their
//! own address is no trusted one, so their headers say nothing); a header that names another host (none is read: the host is a setting).

mod network;
mod settings;
#[cfg(test)]
mod tests;
mod watch;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};

pub use settings::{Settings, State};
pub use watch::watch;

/// Where proxies append the address of whoever asked them.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Most proxies in a row that are looked at.
const HOPS: usize = 16;

/// The proxies that are trusted now.
#[derive(Debug, Default)]
pub struct Ingress(Mutex<Arc<State>>);

impl Ingress {
    /// What is known now.
    pub fn state(&self) -> Arc<State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl State {
    /// The settings, if the peer of a connection is a trusted proxy.
    fn of_proxy(&self, peer: IpAddr) -> Option<&Settings> {
        match self {
            Self::On(settings) if settings.trusts(peer) => Some(settings),
            _ => None,
        }
    }

    /// The address of whoever made a request: the peer's own, or the last one that no trusted proxy has.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let Some(settings) = self.of_proxy(peer) else { return peer };
        let lines = headers.get_all(FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default());
        let list = lines.collect::<Vec<_>>().join(",");
        let mut client = peer;
        for text in list.rsplit(',').take(HOPS) {
            // What cannot be read ends what is believed.
            let Some(address) = address(text) else { break };
            client = address;
            if !settings.trusts(address) {
                break;
            }
        }
        client
    }

    /// The host and port of the console as its browsers have them.
    pub fn host<'a>(&'a self, peer: IpAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        let own = || headers.get(header::HOST).and_then(|value| value.to_str().ok());
        self.of_proxy(peer).map(|settings| settings.host.as_str()).or_else(own)
    }
}

/// An address, which may have a port, and brackets where it is one of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let read = bare.parse::<IpAddr>().or_else(|_| bare.parse::<std::net::SocketAddr>().map(|with_port| with_port.ip()));
    read.ok().map(|address| address.to_canonical())
}
