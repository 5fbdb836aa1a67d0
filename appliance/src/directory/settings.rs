//! The settings, checked as a whole: all faults are reported together.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use super::files::{OIDC_AUTHORITY, OIDC_SECRET, SETTINGS};
use super::ldap::{self, Ldap, LdapText};
use super::oidc::Provider;
use super::roles::Roles;
use super::{Sources, State};
use crate::endpoint::quotable_part;
use crate::settings_files::{Files, authority};

/// A text that is never displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactedText(pub String);

impl fmt::Debug for RedactedText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hidden(…)")
    }
}

/// Text of the settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    oidc: Option<OidcText>,
    ldap: Option<LdapText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OidcText {
    issuer: String,
    client: String,
    console: String,
    label: Option<String>,
    name: Option<String>,
    groups: Option<String>,
    scopes: Option<Vec<String>>,
    address: Option<String>,
    #[serde(default)]
    roles: Roles,
}

/// Identity provider at which people sign in.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// Its issuer name, exactly: every token repeats it.
    pub issuer: String,
    /// Its host name.
    pub host: String,
    /// Its address, for a site without a name service.
    pub address: Option<IpAddr>,
    /// The console's client ID at the provider.
    pub client: String,
    /// The console's secret at the provider; `None` for a public client.
    pub secret: Option<RedactedText>,
    /// Origin at which browsers open the console, such as `https://192.0.2.7:31443`.
    pub console: String,
    /// Name on the button.
    pub label: String,
    /// Claim with the user's name.
    pub name: String,
    /// Claim with the list of groups.
    pub groups: String,
    /// Scopes in addition to `openid`.
    pub scopes: Vec<String>,
    /// Groups by role.
    pub roles: Roles,
    /// TLS configuration with the only accepted authority.
    pub tls: Arc<rustls::ClientConfig>,
}

/// Faults, each with its place.
pub struct Faults<'a> {
    place: &'static str,
    list: &'a mut Vec<String>,
}

impl Faults<'_> {
    /// Returns the value; records a fault and returns `None` otherwise.
    pub fn take<T>(&mut self, field: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|why| self.list.push(format!("{}.{field}: {why}", self.place))).ok()
    }
}

/// Checks the files: the presence of settings, and their usability. Contacts no directory.
pub fn read(files: &Files) -> State {
    if files.is_empty() {
        return State::Off;
    }
    let mut list = files.faults.clone();
    let text = text(files).map_err(|why| list.push(why)).ok();
    let sources = text.map(|text| sources(text, files, &mut list));
    match sources {
        Some(sources) if list.is_empty() => State::On(Box::new(sources)),
        _ => State::Faulty(list),
    }
}

fn text(files: &Files) -> Result<Text, String> {
    let text: Text = files.yaml(SETTINGS)?;
    if text.oidc.is_none() && text.ldap.is_none() {
        return Err(format!("{SETTINGS} names no directory: give oidc, ldap or both"));
    }
    Ok(text)
}

fn sources(text: Text, files: &Files, list: &mut Vec<String>) -> Sources {
    let oidc = text.oidc.and_then(|text| oidc(text, files, &mut Faults { place: "oidc", list }));
    let oidc = oidc.and_then(|settings| Provider::new(settings).map_err(|why| list.push(format!("oidc: {why}"))).ok());
    let ldap = text.ldap.and_then(|text| ldap::check(text, files, &mut Faults { place: "ldap", list }));
    Sources { oidc, ldap: ldap.map(Ldap::new) }
}

fn oidc(text: OidcText, files: &Files, faults: &mut Faults<'_>) -> Option<OidcSettings> {
    let host = faults.take("issuer", issuer(&text.issuer));
    let client = faults.take("client", line(text.client, 200));
    let console = faults.take("console", origin(&text.console));
    let label = text.label.or_else(|| host.clone()).and_then(|label| faults.take("label", line(label, 60)));
    let name = faults.take("name", line(text.name.unwrap_or_else(|| "preferred_username".to_owned()), 200));
    let groups = faults.take("groups", line(text.groups.unwrap_or_else(|| "groups".to_owned()), 200));
    let scopes = faults.take("scopes", scopes(text.scopes));
    let address = faults.take("address", text.address.as_deref().map(address).transpose());
    let roles = faults.take("roles", roles(text.roles));
    let tls = faults.take("authority", authority(files, OIDC_AUTHORITY));
    let secret = faults.take("secret", files.line(OIDC_SECRET).transpose());
    Some(OidcSettings {
        issuer: text.issuer,
        host: host?,
        address: address?,
        client: client?,
        secret: secret?.map(RedactedText),
        console: console?,
        label: label?,
        name: name?,
        groups: groups?,
        scopes: scopes?,
        roles: roles?,
        tls: tls?,
    })
}

/// Checks that a text is one line, neither empty nor too long.
pub fn line(text: String, most: usize) -> Result<String, String> {
    let is_line = !text.trim().is_empty() && text.chars().count() <= most && !text.contains(char::is_control);
    if is_line { Ok(text) } else { Err(format!("give 1 to {most} characters in one line")) }
}

/// Parses an address without a port.
pub fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{} is not an IP address", quotable_part(text)))
}

/// Returns the host of an issuer, which must be an address over TLS and nothing more.
fn issuer(text: &str) -> Result<String, String> {
    let wrong = || format!("{} is not an address such as https://id.example.org/realms/plant", quotable_part(text));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().or(url.fragment()).is_none();
    let host = url.host_str().filter(|_| url.scheme() == "https" && is_bare);
    host.map(str::to_owned).ok_or_else(wrong)
}

/// Checks an origin in the form of browsers.
fn origin(text: &str) -> Result<String, String> {
    let wrong =
        || format!("{} is not where browsers open the console, such as https://192.0.2.7:31443", quotable_part(text));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let origin = url.origin().ascii_serialization();
    let is_origin = url.scheme() == "https" && text.trim_end_matches('/') == origin;
    if is_origin { Ok(origin) } else { Err(wrong()) }
}

fn scopes(given: Option<Vec<String>>) -> Result<Vec<String>, String> {
    let scopes = given.unwrap_or_else(|| vec!["profile".to_owned()]);
    let is_scope = |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
    if scopes.iter().all(is_scope) { Ok(scopes) } else { Err("a scope is a word without spaces".to_owned()) }
}

/// Checks that at least one role has a group.
pub fn roles(roles: Roles) -> Result<Roles, String> {
    if roles.is_empty() {
        return Err("give at least one role a group: without one, no account could sign in".to_owned());
    }
    let all = [&roles.viewer, &roles.operator, &roles.administrator];
    if all.into_iter().flatten().any(|group| group.trim().is_empty()) {
        return Err("a group has no name".to_owned());
    }
    Ok(roles)
}
