//! Proxies from the registries file, otherwise from the environment; never for loopback addresses.

use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;
use landfall_error_codes::codes;
use reqwest::NoProxy;
use serde::Deserialize;
use url::Url;

use crate::error::{BuildError, Result};
use crate::file_url::without_user;

/// Hosts that are always reached without a proxy: a proxy would resolve loopback to itself.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Example of a proxy's URL.
const EXAMPLE: &str = "http://proxy.example:3128";

/// The field `proxies` of a registries file.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Proxies {
    /// Proxy for `http://`.
    #[serde(default)]
    http: Option<String>,
    /// Proxy for `https://`.
    #[serde(default)]
    https: Option<String>,
    /// Hosts, domains and networks that are reached without a proxy.
    #[serde(default)]
    none: Vec<String>,
}

// The URL of a proxy may contain a password.
impl fmt::Debug for Proxies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proxies(hidden)")
    }
}

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case.
    pub(super) fn of_environment() -> Self {
        Self::of_variables(|name| std::env::var(name).ok())
    }

    fn of_variables(value: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| {
            let found = value(&name.to_lowercase()).or_else(|| value(name));
            found.filter(|text| !text.trim().is_empty())
        };
        let all = variable("ALL_PROXY");
        Self {
            http: variable("HTTP_PROXY").or_else(|| all.clone()),
            https: variable("HTTPS_PROXY").or(all),
            none: variable("NO_PROXY").into_iter().collect(),
        }
    }

    /// Creates one proxy for all URLs.
    pub(super) fn of_all(address: &str) -> Self {
        Self { http: Some(address.to_owned()), https: Some(address.to_owned()), none: Vec::new() }
    }

    /// Checks the written URLs; the error text contains no password. A URL without a scheme counts as HTTP.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        let written = [self.http(), self.https()];
        written.into_iter().flatten().filter(|text| text.contains("://")).try_for_each(check)
    }

    /// Proxy for `http://`.
    pub(super) fn http(&self) -> Option<&str> {
        self.http.as_deref()
    }

    /// Proxy for `https://`.
    pub(super) fn https(&self) -> Option<&str> {
        self.https.as_deref()
    }

    /// Hosts without a proxy, separated by commas; loopback is always included.
    pub(super) fn none(&self) -> String {
        std::iter::once(LOOPBACK).chain(self.none.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
    }

    /// Configures a client to use only these proxies.
    pub(super) fn apply(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
        let without = NoProxy::from_string(&self.none());
        let mut builder = builder.no_proxy();
        if let Some(text) = self.http() {
            builder = builder.proxy(usable(text, reqwest::Proxy::http(text))?.no_proxy(without.clone()));
        }
        if let Some(text) = self.https() {
            builder = builder.proxy(usable(text, reqwest::Proxy::https(text))?.no_proxy(without));
        }
        Ok(builder)
    }

    /// The proxy for a URL, without user and password.
    pub(super) fn of(&self, address: &Url) -> Option<String> {
        let builder = Matcher::builder().no(self.none());
        let builder = builder.http(self.http.clone().unwrap_or_default()).https(self.https.clone().unwrap_or_default());
        let proxy = builder.build().intercept(&address.as_str().parse().ok()?)?;
        let authority = proxy.uri().authority()?.as_str();
        Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned())
    }
}

/// Checks the URL of an HTTP proxy; the error text contains no password.
pub(super) fn check(text: &str) -> std::result::Result<(), String> {
    let shown = redact_url(text);
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if let Some(other) = scheme.filter(|scheme| !matches!(*scheme, "http" | "https")) {
        return Err(format!("the proxy `{shown}` speaks {}; Landfall knows http and https", other.escape_default()));
    }
    let is_address = scheme.is_some() && Url::parse(text).is_ok_and(|url| url.host_str().is_some());
    if is_address { Ok(()) } else { Err(format!("the proxy `{shown}` is not an address such as {EXAMPLE}")) }
}

/// Form of a proxy's URL for a message, without user and password.
///
/// A port that is not a number is cut as well: in a URL that ends before its host, it is the password.
fn redact_url(text: &str) -> String {
    let text = without_user(text);
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let host = rest.find(']').unwrap_or(0);
    let port = rest[host..].find(':').map(|at| host + at + 1);
    let is_port = |port: usize| rest[port..].trim_end_matches('/').bytes().all(|byte| byte.is_ascii_digit());
    let end = port.filter(|port| !is_port(*port)).map_or(rest, |port| &rest[..port]);
    let cut = if end.len() < rest.len() { "…" } else { "" };
    // The ellipsis of this function stays readable; everything from the text is escaped.
    format!("{scheme}{end}{cut}").escape_default().to_string().replace("\\u{2026}", "…")
}

fn usable(text: &str, proxy: reqwest::Result<reqwest::Proxy>) -> Result<reqwest::Proxy> {
    proxy.map_err(|error| {
        let what = format!("the proxy `{}` is not an address such as {EXAMPLE}", redact_url(text));
        BuildError::new(codes::REGISTRIES_INVALID, what)
            .because(error)
            .hint("Correct HTTP_PROXY and HTTPS_PROXY, or `proxies` of the registries file.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn way(proxies: &Proxies, address: &str) -> Option<String> {
        proxies.of(&address.parse().expect("address"))
    }

    #[test]
    fn loopback_and_exceptions_bypass_proxy() {
        let proxies = of(&[
            ("HTTP_PROXY", "http://user:word@proxy.example:3128"),
            ("https_proxy", "http://tls.example:8080"),
            ("NO_PROXY", "corp.example, 10.0.0.0/8"),
        ]);
        assert_eq!(way(&proxies, "http://registry.example/v2/").as_deref(), Some("proxy.example:3128"));
        assert_eq!(way(&proxies, "https://ghcr.io/v2/").as_deref(), Some("tls.example:8080"));
        for near in [
            "http://127.0.0.1:5000/v2/",
            "http://localhost:5000/v2/",
            "https://127.8.9.1/",
            "http://[::1]:5000/v2/",
            "https://registry.corp.example/v2/",
            "http://10.1.2.3/v2/",
        ] {
            assert_eq!(way(&proxies, near), None, "{near}");
        }
        assert_eq!(way(&of(&[]), "https://ghcr.io/"), None);
        assert_eq!(
            way(&of(&[("ALL_PROXY", "http://a.example:1")]), "https://ghcr.io/").as_deref(),
            Some("a.example:1")
        );
    }

    #[test]
    fn bad_proxy_is_named_without_password() {
        let refused = of(&[("HTTP_PROXY", "ht tp://user:word@proxy example")]).apply(reqwest::Client::builder());
        let refused = refused.expect_err("refused").to_string();
        assert!(refused.contains("proxy example") && !refused.contains("word"), "{refused}");
        for (text, named) in [
            ("http://user:word", "`http://user:…`"),
            ("user:word@", "`…@`"),
            ("ftp://user:word@proxy.example:21", "`ftp://…@proxy.example:21`"),
            ("http://[::1:word", "`http://[:…`"),
        ] {
            let refused = check(text).expect_err(text);
            assert!(refused.contains(named) && !refused.contains("word"), "{refused}");
        }
    }
}
