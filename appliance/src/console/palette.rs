//! The list of pages behind Ctrl+K: names as in the navigation, and words by which a person may search for each.

use super::frame::Entry;

/// A page that can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    pub path: &'static str,
    pub name: &'static str,
    /// Further search words.
    pub words: &'static str,
}

/// Pages that the navigation reaches through another one.
const FURTHER: [(&str, &str); 3] =
    [("/restore", "Restore data"), ("/account", "Your account"), ("/api-reference", "API reference")];

/// Returns every page of these entries, and those behind them.
pub fn goals<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Goal> {
    let entries = entries.map(|entry| (entry.path, entry.name));
    entries.chain(FURTHER).map(|(path, name)| Goal { path, name, words: words(path) }).collect()
}

/// Returns words for a page that its name does not contain.
fn words(path: &str) -> &'static str {
    match path {
        "/" => "home start health status",
        "/components" => "workloads pods logs ready",
        "/releases" => "versions history rollback return",
        "/upgrade" => "update media stick upload plan new version",
        "/backups" => "schedule drill proof points in time copies",
        "/restore" => "recover point in time",
        "/settings" => "configure values",
        "/license" => "entitlements usage report import",
        "/node" => "host disk clock certificates etcd registry agent firewall",
        "/gpus" => "graphics accelerators nvidia driver memory mig processes llm fit context",
        "/activity" => "history operations past who asked approved install upgrade",
        "/dashboard" => "charts last 24 hours metrics memory disk requests prometheus grafana",
        "/support" => "bundle vendor help collect logs",
        "/users" => "people roles directory",
        "/keys" => "tokens programs scopes",
        "/audit" => "log export syslog who",
        "/approval" => "two people second person",
        "/account" => "password sessions sign out",
        "/api-reference" => "openapi programs",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::Method;

    use crate::access::{Need, RULES};
    use crate::people::Role;
    use crate::testing::Site;

    /// Returns the paths that a page offers.
    fn offered_paths(page: &str) -> BTreeSet<String> {
        let options = page.split("data-path=\"").skip(1);
        options.filter_map(|option| Some(option.split_once('"')?.0.to_owned())).collect()
    }

    /// Returns every whole page without a parameter, with the minimum role that may open it.
    fn pages() -> impl Iterator<Item = (&'static str, Role)> {
        let is_whole = |path: &str| !["{", "/live/", "/sign-in/"].iter().any(|part| path.contains(part));
        let whole = RULES.iter().filter(move |rule| is_whole(rule.path));
        whole.filter(|rule| rule.method == Method::GET).filter_map(|rule| match rule.need {
            Need::Page(least) => Some((rule.path, least)),
            _ => None,
        })
    }

    #[tokio::test]
    async fn palette_offers_permitted_pages() {
        let site = Site::begin().await;
        for (name, role) in [("vera", Role::Viewer), ("olga", Role::Operator), ("root", Role::Administrator)] {
            let person = site.sign_in(name).await;
            let permitted = pages().filter(|(_, least)| *least <= role).map(|(path, _)| path);
            let permitted: BTreeSet<String> = permitted.map(str::to_owned).collect();
            assert_eq!(offered_paths(&person.get("/node").await.body), permitted, "{name}");
            for path in permitted {
                assert!(person.get(&path).await.is_success(), "{path} as {name}");
            }
        }
        assert!(!site.visitor().get("/sign-in").await.body.contains("palette"), "the palette needs no session");
    }

    #[test]
    fn every_page_has_words() {
        let without: Vec<_> = pages().map(|(path, _)| path).filter(|path| super::words(path).is_empty()).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
