//! The settings: a file of a Secret that an administrator makes. All faults are found at once; none keeps the console from starting.

use std::net::IpAddr;

use serde::Deserialize;

use super::network::Network;
use crate::directory::Files;

/// The file.
const SETTINGS: &str = "ingress.yaml";
/// Every file that is read.
pub const NAMES: [&str; 1] = [SETTINGS];
/// Most proxies and networks.
const PROXIES: usize = 32;
/// Longest host with its port.
const HOST_LENGTH: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    host: String,
    proxies: Vec<String>,
    #[serde(default)]
    header: Chain,
}

/// The header to which the proxies append the address of their client. Only one counts: a proxy passes the other one on as a browser has
/// written it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// The trusted proxies, and how browsers name the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Host, and port where it is not 443, as browsers show them.
    pub host: String,
    /// Where connections of trusted proxies come from.
    pub proxies: Vec<Network>,
    /// Where they name their client.
    pub chain: Chain,
}

/// What the file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum State {
    /// There is none.
    #[default]
    Off,
    /// It cannot be used, and all reasons. Nothing is believed of a request, as without one.
    Faulty(Vec<String>),
    /// It can be used.
    On(Settings),
}

impl Settings {
    /// Whether connections from this address are a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }
}

/// Judges the file.
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

/// The host as browsers write it in an origin: in lower case, and without the port that HTTPS has anyway.
fn origin_of(host: &str) -> String {
    let bare = host.strip_suffix(":443").filter(|bare| !bare.contains(':') || bare.ends_with(']'));
    bare.unwrap_or(host).to_ascii_lowercase()
}
