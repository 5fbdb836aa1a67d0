//! The settings of a directory server.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use super::super::files::{LDAP_AUTHORITY, LDAP_PASSWORD};
use super::super::roles::Roles;
use super::super::settings::{Faults, RedactedText, address, line, roles};
use super::name::Name;
use crate::endpoint::quotable_part;
use crate::settings_files::{Files, authority};

/// Placeholder for the entered name.
pub const NAME: &str = "{name}";
/// Placeholder for the name of a person's entry.
pub const ENTRY: &str = "{dn}";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapText {
    url: String,
    address: Option<String>,
    bind: Option<String>,
    search: Option<SearchText>,
    groups: Option<GroupsText>,
    #[serde(default)]
    roles: Roles,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchText {
    user: Option<String>,
    base: String,
    filter: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsText {
    attribute: Option<String>,
    base: Option<String>,
    filter: Option<String>,
}

/// Directory server that verifies people's passwords.
#[derive(Debug, Clone)]
pub struct LdapSettings {
    /// URL of the server; TLS from the first byte with `ldaps`, and before anything else with `ldap`.
    pub url: Url,
    /// Address of the server, for a site without a name service.
    pub address: Option<IpAddr>,
    /// Lookup of a person's entry.
    pub way: Way,
    /// Lookup of a person's groups.
    pub groups: Groups,
    /// Roles by groups, with their full names.
    pub roles: Roles,
    /// TLS configuration with the only accepted authority.
    pub tls: Arc<rustls::ClientConfig>,
}

/// Lookup of a person's entry.
#[derive(Debug, Clone)]
pub enum Way {
    /// A search by the console's account, followed by a bind with the person's password.
    Search {
        /// Name of the account.
        user: String,
        /// Password of the account.
        password: RedactedText,
        /// The search.
        query: Query,
    },
    /// A bind with a name derived from the entered one, and the person's password.
    Direct {
        /// Template with `{name}`.
        template: String,
        /// Lookup of the person's entry after that; `None` if the template is the entry's name.
        query: Option<Query>,
    },
}

/// A search.
#[derive(Debug, Clone)]
pub struct Query {
    /// Entry at and below which to search.
    pub base: String,
    /// Filter with a placeholder.
    pub filter: String,
}

/// Lookup of a person's groups.
#[derive(Debug, Clone)]
pub enum Groups {
    /// Attribute of the person's entry.
    Attribute(String),
    /// Search for group entries.
    Query(Query),
}

/// Checks the settings. Each fault is added to the list.
pub fn check(text: LdapText, files: &Files, faults: &mut Faults<'_>) -> Option<LdapSettings> {
    let url = faults.take("url", url(&text.url));
    let address = faults.take("address", text.address.as_deref().map(address).transpose());
    let field = if text.search.is_some() { "search" } else { "bind" };
    let way = faults.take(field, way(text.bind, text.search, files));
    let groups = faults.take("groups", groups(text.groups));
    let roles = faults.take("roles", roles(text.roles).and_then(names));
    let tls = faults.take("authority", authority(files, LDAP_AUTHORITY));
    Some(LdapSettings { url: url?, address: address?, way: way?, groups: groups?, roles: roles?, tls: tls? })
}

fn url(text: &str) -> Result<Url, String> {
    let wrong = || {
        format!(
            "{} is not an address such as ldaps://dc1.example.org or, for StartTLS, ldap://dc1.example.org",
            quotable_part(text)
        )
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().or(url.fragment()).is_none();
    let is_server = matches!(url.scheme(), "ldap" | "ldaps") && matches!(url.path(), "" | "/");
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    if is_bare && is_server && has_host { Ok(url) } else { Err(wrong()) }
}

fn way(bind: Option<String>, search: Option<SearchText>, files: &Files) -> Result<Way, String> {
    let password = files.line(LDAP_PASSWORD).transpose()?;
    let user = search.as_ref().and_then(|search| search.user.clone());
    let query = search.map(|search| query(search.base, search.filter, NAME)).transpose()?;
    match (bind, user, query) {
        (Some(_), Some(_), _) => Err("give a template for bind or a user for search, not both".to_owned()),
        (Some(template), None, query) => {
            let template = line(template, 500)?;
            if template.matches(NAME).count() != 1 {
                return Err(format!("the template needs {NAME}, once"));
            }
            if query.is_none() && Name::read(&template.replace(NAME, "x")).is_none() {
                return Err(format!("{template} is no name of an entry: give such a name, or also a search"));
            }
            Ok(Way::Direct { template, query })
        }
        (None, Some(user), Some(query)) => {
            let missing = || format!("{LDAP_PASSWORD} is missing: a search needs the user's password");
            Ok(Way::Search { user: line(user, 500)?, password: RedactedText(password.ok_or_else(missing)?), query })
        }
        (None, ..) => Err("give a search with user, base and filter, or a template for bind".to_owned()),
    }
}

fn query(base: String, filter: String, placeholder: &str) -> Result<Query, String> {
    let base = line(base, 500)?;
    if Name::read(&base).is_none() {
        return Err(format!("base: {base} is no name of an entry, such as ou=people,dc=example,dc=org"));
    }
    let is_filter = filter.contains(placeholder) && ldap3::parse_filter(filter.replace(placeholder, "x")).is_ok();
    if is_filter {
        Ok(Query { base, filter })
    } else {
        Err(format!("filter: {filter} is no filter with {placeholder}"))
    }
}

fn groups(text: Option<GroupsText>) -> Result<Groups, String> {
    let text = text.unwrap_or(GroupsText { attribute: None, base: None, filter: None });
    match (text.attribute, text.base, text.filter) {
        (attribute, None, None) => {
            let attribute = attribute.unwrap_or_else(|| "memberOf".to_owned());
            let is_word = !attribute.is_empty()
                && attribute.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.;".contains(letter));
            if is_word { Ok(Groups::Attribute(attribute)) } else { Err(format!("{attribute} is no attribute")) }
        }
        (None, Some(base), Some(filter)) => query(base, filter, ENTRY).map(Groups::Query),
        _ => Err("give an attribute, or base and filter".to_owned()),
    }
}

/// Checks that groups have full names: part of a name is not unique.
fn names(roles: Roles) -> Result<Roles, String> {
    let all = [&roles.viewer, &roles.operator, &roles.administrator];
    let wrong = all.into_iter().flatten().find(|group| Name::read(group).is_none()).cloned();
    match wrong {
        Some(group) => {
            Err(format!("{group} is no whole name of a group, such as cn=admins,ou=groups,dc=example,dc=org"))
        }
        None => Ok(roles),
    }
}
