//! Token servers that may receive a registry's credentials.
//!
//! Threats: a registry, or an attacker in its place, may name any server as its realm to collect the credentials there.
//! Therefore they are sent only to the registry itself, to hosts of its parent domain, and to hosts that the registries
//! file names. Anyone with a host in that domain is trusted. A list of domains shared by unrelated owners is not
//! included, because it would be outdated at a site.

use landfall_error_codes::codes;
use url::Url;

use super::client::Failure;
use super::registries::is_loopback;
use super::web;

/// Labels below which countries register domains, as in `corp.co.uk`.
const SECOND_LEVEL: [&str; 12] = ["ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "ne", "net", "or", "org"];

/// Returns true if a token server may receive the credentials of a registry. `named` are the hosts in the registries
/// file for it.
pub(super) fn may_have_credentials(registry: &str, place: &Url, named: &[String]) -> bool {
    let Some(host) = place.host_str() else { return false };
    let own = without_port(registry);
    let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let is_at_home = is_loopback(own) && is_loopback(host);
    host == own
        || is_at_home
        || domain_of(own).is_some_and(is_below)
        || named.iter().any(|named| *named == web::authority(place))
}

/// Failure for a registry whose realm must not receive its credentials.
pub(super) fn elsewhere(registry: &str, place: &Url) -> Failure {
    let place = web::authority(place);
    let what = format!("it names {place} as the place of its tokens, and gets no credentials of {registry} there");
    Failure::Final(codes::REGISTRY_REALM, what.into())
}

/// Domain whose hosts may issue tokens for a host: its parent domain, or itself if the parent is a public suffix.
/// `None` for an IP address or a single label.
fn domain_of(host: &str) -> Option<&str> {
    if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let is_own = |domain: &&str| {
        let labels: Vec<&str> = domain.rsplit('.').collect();
        match labels.as_slice() {
            [country, second] => country.len() > 2 || !SECOND_LEVEL.contains(second),
            labels => labels.len() > 2,
        }
    };
    let above = host.split_once('.').map(|(_, domain)| domain).filter(is_own);
    above.or(Some(host).filter(is_own))
}

fn without_port(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(registry: &str, place: &str) -> bool {
        let named = ["login.example.net".to_owned(), "sso.example.net:8443".to_owned()];
        may_have_credentials(registry, &place.parse().expect("address"), &named)
    }

    #[test]
    fn trusted_realms_get_credentials() {
        for (registry, place) in [
            ("docker.io", "https://auth.docker.io/token"),
            ("index.docker.io", "https://auth.docker.io/token"),
            ("ghcr.io", "https://ghcr.io/token"),
            ("registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("registry.corp.example:8443", "https://login.corp.example/token"),
            ("registry.corp.co.uk", "https://login.corp.co.uk/token"),
            ("registry.example", "https://registry.example:8443/token"),
            ("registry", "https://registry/token"),
            ("192.0.2.7:5000", "https://192.0.2.7/token"),
            ("[2001:db8::7]:5000", "https://[2001:db8::7]/token"),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("registry.corp.example", "https://login.example.net/token"),
            ("registry.corp.example", "https://sso.example.net:8443/token"),
        ] {
            assert!(may(registry, place), "{registry} {place}");
        }
    }

    #[test]
    fn foreign_realms_get_no_credentials() {
        for (registry, place) in [
            ("ghcr.io", "https://ghcr.io.evil.example/token"),
            ("ghcr.io", "https://evilghcr.io/token"),
            ("ghcr.io", "https://other.io/token"),
            ("registry.corp.example", "https://evilcorp.example/token"),
            ("registry.corp.example", "https://login.other.example/token"),
            ("corp.example", "https://other.example/token"),
            ("corp.co.uk", "https://other.co.uk/token"),
            ("registry", "https://other/token"),
            ("192.0.2.7:5000", "https://192.0.2.8/token"),
            ("192.0.2.7", "https://1.0.2.7/token"),
            ("127.0.0.1:5000", "https://login.corp.example/token"),
            ("registry.corp.example", "https://login.example.net:8443/token"),
            ("registry.corp.example", "https://sso.example.net/token"),
        ] {
            assert!(!may(registry, place), "{registry} {place}");
        }
    }
}
