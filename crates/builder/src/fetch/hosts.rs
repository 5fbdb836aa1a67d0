//! Hosts with their own settings: an internal server's certificate authority is valid only for that server, and a proxy
//! is used only for its network. They also name token servers outside of a registry's domain.
//!
//! Threats: an authority that may certify any name can read what is sent to any server. An authority that is named for
//! a host is trusted only for that host and for redirect targets of its registry.

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use serde::Deserialize;
use serde_saphyr::Spanned;
use url::Url;

use super::proxies::{self, Proxies};
use super::registries::{Authority, authorities};
use super::web;
use crate::error::{BuildError, Place, Result};

/// Value for a host that is reached without a proxy.
const NO_PROXY: &str = "none";

/// The written form of an entry in `hosts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostEntry {
    /// Host, with the port unless it is the default.
    host: Spanned<String>,
    /// URL of its proxy, or `none`; if absent, the proxies of all hosts apply.
    #[serde(default)]
    proxy: Option<HostProxy>,
    /// Paths of PEM files with certificates, in addition to those for all hosts.
    #[serde(default)]
    authorities: Vec<Spanned<PathBuf>>,
    /// Other servers that issue tokens for this registry, and for that purpose receive its credentials.
    #[serde(default)]
    tokens: Vec<Spanned<String>>,
}

/// URL of a proxy, which may contain a password.
#[derive(Deserialize)]
#[serde(transparent)]
struct HostProxy(Spanned<String>);

impl std::fmt::Debug for HostProxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HostProxy(hidden)")
    }
}

/// Settings for one host.
#[derive(Debug, Clone)]
pub(super) struct HostWay {
    pub host: String,
    /// `None` for the proxies of all hosts.
    pub proxies: Option<Proxies>,
    /// Authorities in addition to those of all hosts.
    pub authorities: Vec<Authority>,
    /// Hosts outside its own domain that issue its tokens.
    pub tokens: Vec<String>,
}

/// Reads all entries. Returns an error if a host has several.
pub(super) fn read(path: &Path, entries: &[HostEntry]) -> Result<Vec<HostWay>> {
    let mut ways: Vec<HostWay> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let way = read_one(path, index, entry)?;
        if ways.iter().any(|other| other.host == way.host) {
            let place = Place::field(path, entry.host.referenced.line(), format!("hosts[{index}].host"));
            return Err(BuildError::at(codes::REGISTRIES_INVALID, place, format!("`{}` occurs twice", way.host)));
        }
        ways.push(way);
    }
    Ok(ways)
}

fn read_one(path: &Path, index: usize, entry: &HostEntry) -> Result<HostWay> {
    let refuse = |line: u64, field: &str, what: String| {
        let place = Place::field(path, line, format!("hosts[{index}].{field}"));
        BuildError::at(codes::REGISTRIES_INVALID, place, what)
    };
    let (host, line) = (&entry.host.value, entry.host.referenced.line());
    check_host(host).map_err(|what| refuse(line, "host", what))?;
    if entry.proxy.is_none() && entry.authorities.is_empty() && entry.tokens.is_empty() {
        let what = format!("nothing is said about `{host}`: name `proxy`, `authorities` or `tokens`");
        return Err(refuse(line, "host", what));
    }
    for (number, server) in entry.tokens.iter().enumerate() {
        let field = format!("tokens[{number}]");
        check_host(&server.value).map_err(|what| refuse(server.referenced.line(), &field, what))?;
    }
    let proxies = match &entry.proxy {
        None => None,
        Some(HostProxy(proxy)) if proxy.value == NO_PROXY => Some(Proxies::default()),
        Some(HostProxy(proxy)) => {
            proxies::check(&proxy.value).map_err(|what| refuse(proxy.referenced.line(), "proxy", what))?;
            Some(Proxies::of_all(&proxy.value))
        }
    };
    let of_file = |(number, file): (usize, &Spanned<PathBuf>)| {
        authorities(path, &format!("hosts[{index}].authorities[{number}]"), file)
    };
    let authorities = entry.authorities.iter().enumerate().map(of_file).collect::<Result<Vec<_>>>()?.concat();
    let tokens = entry.tokens.iter().map(|server| server.value.clone()).collect();
    Ok(HostWay { host: host.clone(), proxies, authorities, tokens })
}

/// Returns an error for a text that is not the host of a URL.
fn check_host(text: &str) -> Result<(), String> {
    if is_host(text) {
        return Ok(());
    }
    let shown = text.escape_default();
    Err(format!("`{shown}` is not a host as in addresses: lower-case letters, and a port unless it is 443"))
}

/// Returns true if a text is the host of an HTTPS URL, with the port unless it is the default.
fn is_host(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    is_plain && Url::parse(&format!("https://{text}/")).is_ok_and(|url| web::authority(&url) == text)
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_media::durable;

    use super::super::registries::Registries;

    const AUTHORITIES: [&str; 2] = ["one.pem", "two.pem"];

    fn read(text: &str) -> crate::error::Result<Registries> {
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            durable::write_file(&path, text.as_bytes(), 0o600).expect("file");
            path
        };
        for name in AUTHORITIES {
            write(name, &rcgen::generate_simple_self_signed([name.to_owned()]).expect("certificate").cert.pem());
        }
        write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        write("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        Registries::read(&write("registries.yaml", text))
    }

    #[test]
    fn host_settings_apply_to_that_host() {
        let registries = read(
            "proxies: {https: 'http://all.example:3128'}\nauthorities: [one.pem]\nhosts:\n\
             - \
             {host: 'registry.corp.example:8443', \
             proxy: 'http://user:word@corp.example:3128', authorities: [two.pem]}\n\
             - {host: files.corp.example, proxy: none}\n- {host: hub.corp.example, authorities: [two.pem]}\n",
        )
        .expect("good");
        assert!(!format!("{registries:?}").contains("word"), "{registries:?}");
        let way = |address: &str| {
            let url: url::Url = address.parse().expect("address");
            let host = super::web::authority(&url);
            (registries.proxies(&host).of(&url), registries.authorities(&host).count())
        };
        let through = |proxy: &str| Some(proxy.to_owned());
        assert_eq!(way("https://registry.corp.example:8443/v2/"), (through("corp.example:3128"), 2));
        assert_eq!(way("https://registry.corp.example/v2/"), (through("all.example:3128"), 1));
        assert_eq!(way("https://files.corp.example/a"), (None, 1));
        assert_eq!(way("https://hub.corp.example/a"), (through("all.example:3128"), 2));
        assert_eq!(way("https://ghcr.io/v2/"), (through("all.example:3128"), 1));
    }

    #[test]
    fn unusable_host_settings_are_refused() {
        let host = |rest: &str| format!("hosts:\n- {{host: a.example, {rest}}}\n");
        for (text, field, why) in [
            (host("proxy: 'socks5://user:word@p.example:1080'"), "hosts[0].proxy", "socks5"),
            (host("proxy: 'p.example:3128'"), "hosts[0].proxy", "http://proxy.example:3128"),
            (host("proxy: 'http://'"), "hosts[0].proxy", "http://proxy.example:3128"),
            (host("authorities: [broken.pem]"), "broken.pem", "is not a certificate"),
            (host("authorities: [key.pem]"), "hosts[0].authorities[0]", "no certificate in PEM"),
            (host("authorities: [one.pem, gone.pem]"), "hosts[0].authorities[1]", "cannot be read"),
            (host("authorities: []"), "hosts[0].host", "nothing is said"),
            (host("proxies: none"), "proxies", "unknown field"),
            (host("tokens: ['https://b.example']"), "hosts[0].tokens[0]", "not a host"),
            ("hosts: [{host: 'https://a.example', proxy: none}]\n".to_owned(), "hosts[0].host", "not a host"),
            ("hosts: [{host: 'a.example:443', proxy: none}]\n".to_owned(), "hosts[0].host", "unless it is 443"),
            ("hosts: [{host: '*', proxy: none}]\n".to_owned(), "hosts[0].host", "not a host"),
            (
                "hosts: [{host: a.example, proxy: none}, {host: a.example, authorities: [one.pem]}]\n".to_owned(),
                "hosts[1].host",
                "occurs twice",
            ),
            ("proxies: {http: 'socks5://user:word@p.example'}\n".to_owned(), "proxies", "socks5"),
        ] {
            let refused = read(&text).expect_err(&text);
            let said = refused.to_string();
            assert_eq!(refused.code().id, "LF2101", "{said}");
            assert!(said.contains(field) && said.contains(why) && !said.contains("word"), "{text}: {said}");
        }
    }
}
