//! Settings of an ingress: a file of a Secret that an administrator creates. All faults are reported together; none
//! keeps the console from starting.

use std::net::IpAddr;

use serde::Deserialize;

use super::network::Network;
use crate::settings_files::Files;

/// Name of the file.
const SETTINGS: &str = "ingress.yaml";
/// All files that are read.
pub const NAMES: [&str; 1] = [SETTINGS];
/// Maximum number of proxies and networks.
const PROXIES: usize = 32;
/// Maximum length of the host with its port.
const HOST_LENGTH: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    host: String,
    proxies: Vec<String>,
    #[serde(default)]
    header: Chain,
}

/// Header to which the proxies append their client's address. Only one is used: a proxy forwards the other one as a
/// browser has written it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// Trusted proxies, and the console's name in browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Host, and port unless it is 443, as browsers show them.
    pub host: String,
    /// Networks of trusted proxies.
    pub proxies: Vec<Network>,
    /// Header in which they name their client.
    pub chain: Chain,
}

/// State of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum State {
    /// There is no file.
    #[default]
    Off,
    /// The file is unusable, for all these reasons. No header is believed, as without a file.
    Faulty(Vec<String>),
    /// The file is usable.
    On(Settings),
}

impl Settings {
    /// Returns true if connections from this address come from a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }
}

/// Checks the file.
pub fn read(files: &Files) -> State {
    if files.is_empty() {
        return State::Off;
    }
    let mut faults = files.faults.clone();
    let settings = text(files).map_err(|why| faults.push(why)).ok();
    let settings = settings.map(|text| check(&text, &mut faults));
    match settings {
        Some(settings) if faults.is_empty() => State::On(settings),
        _ => State::Faulty(faults),
    }
}

fn text(files: &Files) -> Result<Text, String> {
    let content = files.get(SETTINGS).ok_or_else(|| format!("{SETTINGS} is missing"))?;
    let text = std::str::from_utf8(content).map_err(|_| format!("{SETTINGS} is not text in UTF-8"))?;
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.to_string();
        format!("{SETTINGS} cannot be read: {}", error.lines().next().unwrap_or_default())
    })
}

fn check(text: &Text, faults: &mut Vec<String>) -> Settings {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    let is_host = (1..=HOST_LENGTH).contains(&text.host.len()) && text.host.chars().all(is_part);
    if !is_host {
        faults.push("host: write the name of the console as browsers have it, such as console.example.com".to_owned());
    }
    if text.proxies.is_empty() || text.proxies.len() > PROXIES {
        faults.push(format!("proxies: name 1 to {PROXIES} addresses or networks"));
    }
    let mut proxies = Vec::new();
    for proxy in text.proxies.iter().take(PROXIES) {
        match proxy.parse() {
            Ok(network) => proxies.push(network),
            Err(why) => faults.push(format!("proxies: {why}")),
        }
    }
    Settings { host: origin_of(&text.host), proxies, chain: text.header }
}

/// Returns the host as browsers write it in an origin: in lower case, and without HTTPS's default port.
fn origin_of(host: &str) -> String {
    let bare = host.strip_suffix(":443").filter(|bare| !bare.contains(':') || bare.ends_with(']'));
    bare.unwrap_or(host).to_ascii_lowercase()
}
