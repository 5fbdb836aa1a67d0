//! Use behind an ingress: proxies that forward requests of browsers. Off by default: the headers of a request then
//! change neither its address nor the console's name.
//!
//! Threats and defenses. A browser may claim another address, to evade rate limits and mislead the audit log. Only
//! addresses that a trusted proxy has appended itself are believed: the list is read from its end. A client may bypass
//! the proxy, but its address is not a trusted one, so its headers are ignored. A header may name another host, but
//! none is read: the host is a setting.

mod chain;
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

/// The currently trusted proxies.
#[derive(Debug, Default)]
pub struct Ingress(Mutex<Arc<State>>);

impl Ingress {
    /// Returns the current state.
    pub fn state(&self) -> Arc<State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl State {
    /// Returns the settings, if the peer of a connection is a trusted proxy.
    fn of_proxy(&self, peer: IpAddr) -> Option<&Settings> {
        match self {
            Self::On(settings) if settings.trusts(peer) => Some(settings),
            _ => None,
        }
    }

    /// Returns the address that a request came from: the peer's own, or the last one that is not a trusted proxy's.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let Some(settings) = self.of_proxy(peer) else { return peer };
        let mut client = peer;
        for address in settings.chain.addresses(headers) {
            client = address;
            if !settings.trusts(address) {
                break;
            }
        }
        client
    }

    /// Returns the console's host and port, as its browsers show them.
    pub fn host<'a>(&'a self, peer: IpAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        let own = || headers.get(header::HOST).and_then(|value| value.to_str().ok());
        self.of_proxy(peer).map(|settings| settings.host.as_str()).or_else(own)
    }
}
