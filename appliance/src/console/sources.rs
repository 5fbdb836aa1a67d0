//! Sources of users, as shown on the page of users.

use crate::context::Context;
use crate::directory::{Groups, Ldap, Provider, State, Way};
use crate::people::Role;

/// A directory with its settings, none of which is secret.
pub struct DirectoryDetails {
    pub title: String,
    pub rows: Vec<(&'static str, String)>,
}

/// Sources of users in addition to this console.
pub struct Sources {
    /// Faults of unusable settings.
    pub faults: Vec<String>,
    pub directories: Vec<DirectoryDetails>,
}

impl Sources {
    /// Returns the current sources.
    pub fn current(context: &Context) -> Self {
        let state = context.directory.now();
        let directories = match &*state {
            State::On(sources) => sources.oidc.iter().map(provider).chain(sources.ldap.iter().map(server)).collect(),
            State::Off | State::Faulty(_) => Vec::new(),
        };
        Self { faults: state.faults().to_vec(), directories }
    }
}

fn provider(provider: &Provider) -> DirectoryDetails {
    let settings = provider.settings();
    let kind = if settings.secret.is_some() { "with a secret" } else { "public" };
    let mut rows = vec![
        ("Issuer", settings.issuer.clone()),
        ("Client", format!("{}, {kind}", settings.client)),
        ("Returns to", provider.redirect()),
        ("Claims", format!("{} for the name, {} for groups", settings.name, settings.groups)),
    ];
    rows.extend(groups(|role| settings.roles.groups(role)));
    DirectoryDetails { title: "OpenID Connect".to_owned(), rows }
}

fn server(ldap: &Ldap) -> DirectoryDetails {
    let settings = ldap.settings();
    let tls = if settings.url.scheme() == "ldap" { "TLS by StartTLS" } else { "TLS" };
    let (way, query) = match &settings.way {
        Way::Search { user, query, .. } => (format!("looked for by {user}"), Some(query)),
        Way::Direct { template, query } => (format!("as {template}"), query.as_ref()),
    };
    let found = query.map(|query| format!(", in {} by {}", query.base, query.filter)).unwrap_or_default();
    let listed = match &settings.groups {
        Groups::Attribute(attribute) => format!("in the attribute {attribute}"),
        Groups::Query(query) => format!("in {} by {}", query.base, query.filter),
    };
    let mut rows =
        vec![("Server", format!("{}, {tls}", settings.url)), ("People", format!("{way}{found}")), ("Groups", listed)];
    rows.extend(groups(|role| settings.roles.groups(role)));
    DirectoryDetails { title: "LDAP".to_owned(), rows }
}

/// Returns the groups of each role that has some, highest role first.
fn groups<'a>(of: impl Fn(Role) -> &'a [String]) -> Vec<(&'static str, String)> {
    let named = [(Role::Administrator, "Administrators"), (Role::Operator, "Operators"), (Role::Viewer, "Viewers")];
    let rows = named.into_iter().map(|(role, name)| (name, of(role)));
    rows.filter(|(_, groups)| !groups.is_empty()).map(|(name, groups)| (name, groups.join(", "))).collect()
}
