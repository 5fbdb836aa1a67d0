//! The settings: files of a Secret that an administrator makes. All faults are found at once; none keeps the console from starting, for
//! a typing error must not lock out those who could correct it.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Deserialize;

use crate::configuration::pem_fault;
use crate::directory::{Files, trusting};
use crate::endpoint::Endpoint;

/// The settings themselves.
const SETTINGS: &str = "syslog.yaml";
/// The certificates that the server's chain ends in.
const AUTHORITY: &str = "syslog-authority.crt";
/// The chain of the console's own certificate, where the server asks for one.
const CERTIFICATE: &str = "syslog.crt";
/// The key of that.
const KEY: &str = "syslog.key";
/// Every file that is read.
pub const NAMES: [&str; 4] = [SETTINGS, AUTHORITY, CERTIFICATE, KEY];
/// Port of syslog over TLS.
const TLS_PORT: u16 = 6514;
/// Port of syslog over TCP.
const TCP_PORT: u16 = 601;
/// Longest name of a sender, RFC 5424.
const NAME_LENGTH: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    server: String,
    name: Option<String>,
    address: Option<IpAddr>,
}

/// How entries are forwarded.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server, as it is shown.
    pub server: String,
    /// Its name or address, and its port.
    pub host: String,
    pub port: u16,
    /// Where it is reached; none where its name is resolved.
    pub address: Option<IpAddr>,
    /// Over TLS, whose certificate must have this name; none for TCP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// What the messages call this console, or `-`.
    pub name: String,
}

/// What the files say.
#[derive(Debug)]
pub enum State {
    /// Nothing is forwarded.
    Off,
    /// They cannot be used, and all reasons.
    Faulty(Vec<String>),
    /// They can be used.
    On(Box<Settings>),
}

/// Judges the files. Nothing is asked of the server.
pub fn read(files: &Files) -> State {
    if files.is_empty() {
        return State::Off;
    }
    let mut faults = files.faults.clone();
    let settings = files.yaml::<Text>(SETTINGS).map_err(|why| faults.push(why)).ok();
    let settings = settings.and_then(|text| check(text, files, &mut faults));
    match settings {
        Some(settings) if faults.is_empty() => State::On(Box::new(settings)),
        _ => State::Faulty(faults),
    }
}

fn check(text: Text, files: &Files, faults: &mut Vec<String>) -> Option<Settings> {
    let Text { server, name, address } = text;
    let name = sender(name.as_deref().unwrap_or("-")).map_err(|why| faults.push(why)).ok();
    let like = format!("tls://log.example.org:{TLS_PORT} or tcp://192.0.2.30:{TCP_PORT}");
    let endpoint = Endpoint::read(&server, [TLS_PORT, TCP_PORT], &like).map_err(|why| faults.push(why)).ok()?;
    let Endpoint { is_secure, host, port } = endpoint;
    let tls = if is_secure { tls(&host, files, faults).map(Some) } else { Some(None) };
    Some(Settings { server, host, port, address, tls: tls?, name: name? })
}

fn tls(host: &str, files: &Files, faults: &mut Vec<String>) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("server: {host} is no name of a server"));
    let name = name.map_err(|why| faults.push(why)).ok();
    let trusting = trusting(files, AUTHORITY).map_err(|why| faults.push(why)).ok();
    let own = identity(files).map_err(|why| faults.push(why)).ok();
    let config = match own? {
        None => Ok(trusting?.with_no_client_auth()),
        Some((chain, key)) => trusting?.with_client_auth_cert(chain, key),
    };
    let config =
        config.map_err(|error| faults.push(format!("{CERTIFICATE} and {KEY} do not belong together: {error}")));
    Some((Arc::new(config.ok()?), name?))
}

/// A chain of certificates with the key of its first.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The console's own certificate, if there is one.
fn identity(files: &Files) -> Result<Option<Identity>, String> {
    match (files.certificates(CERTIFICATE), files.get(KEY)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(format!("{KEY} is missing, the key of {CERTIFICATE}")),
        (None, Some(_)) => Err(format!("{CERTIFICATE} is missing, the certificate of {KEY}")),
        (Some(chain), Some(key)) => {
            let (chain, key) = (chain?, PrivateKeyDer::from_pem_slice(key));
            let key = key.map_err(|error| format!("{KEY} is not a private key in PEM: {}", pem_fault(&error)))?;
            Ok(Some((chain, key)))
        }
    }
}

fn sender(name: &str) -> Result<String, String> {
    let is_name = (1..=NAME_LENGTH).contains(&name.len()) && name.chars().all(|letter| letter.is_ascii_graphic());
    if is_name { Ok(name.to_owned()) } else { Err(format!("name: use 1 to {NAME_LENGTH} visible characters of ASCII")) }
}
