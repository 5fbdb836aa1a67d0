//! Settings of forwarding: files of a Secret that an administrator creates. All faults are reported together. None
//! keeps the console from starting, because a typing error must not lock out those who could correct it.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::settings_files::{Files, pair_fault, pem_fault, trusting};

/// Name of the settings file.
const SETTINGS: &str = "syslog.yaml";
/// File of the certificate authorities for the server.
const AUTHORITY: &str = "syslog-authority.crt";
/// File with the chain of the console's own certificate, if the server requires one.
const CERTIFICATE: &str = "syslog.crt";
/// File with the key of that certificate.
const KEY: &str = "syslog.key";
/// All files that are read.
pub const NAMES: [&str; 4] = [SETTINGS, AUTHORITY, CERTIFICATE, KEY];
/// Port of syslog over TLS.
const TLS_PORT: u16 = 6514;
/// Port of syslog over TCP.
const TCP_PORT: u16 = 601;
/// Maximum length of a sender's name, RFC 5424.
const NAME_LENGTH: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    server: String,
    name: Option<String>,
    address: Option<IpAddr>,
}

/// Settings of forwarding.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server, as displayed.
    pub server: String,
    /// Its name or address, and its port.
    pub host: String,
    pub port: u16,
    /// Address of the server; `None` if its name is resolved.
    pub address: Option<IpAddr>,
    /// TLS configuration and the name that the certificate must have; `None` for TCP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Name of this console in the messages, or `-`.
    pub name: String,
}

/// State of the settings files.
#[derive(Debug)]
pub enum State {
    /// Nothing is forwarded.
    Off,
    /// The settings are unusable, for all these reasons.
    Faulty(Vec<String>),
    /// The settings are usable.
    On(Box<Settings>),
}

/// Checks the files, without contacting the server.
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
    let config = config.map_err(|error| faults.push(pair_fault(CERTIFICATE, KEY, &error)));
    Some((Arc::new(config.ok()?), name?))
}

/// A certificate chain with the key of its first certificate.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Returns the console's own certificate, if any.
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
