mod accounts;
mod again;
mod attacks;
mod flow;
mod ldap;
mod provider;
mod settings;

use axum::http::Method;
use provider::FakeProvider;
use serde_json::Value;
use url::Url;

use crate::testing::{Reply, Site, Visitor};

/// Snapshot filter for addresses of servers on loopback.
const LOOPBACK: (&str, &str) = (r"127\.0\.0\.1:\d+", "[loopback]");

/// A browser at the provider.
struct ProviderBrowser {
    browser: Visitor,
    place: Url,
}

impl ProviderBrowser {
    /// Returns a browser that has followed the link on the sign-in page.
    async fn from(site: &Site) -> Self {
        let reply = site.visitor().get("/sign-in/directory").await;
        assert_eq!(reply.status.as_u16(), 303, "{}", reply.body);
        let cookie = reply.cookie("__Host-directory").unwrap();
        let browser = Visitor { cookies: format!("__Host-directory={cookie}"), origin: None, ..site.visitor() };
        Self { browser, place: reply.header("location").parse().unwrap() }
    }

    /// Returns a parameter of the request that the browser has brought to the provider.
    fn request_parameter(&self, name: &str) -> String {
        self.place.query_pairs().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name}")).1.into_owned()
    }

    /// Redirects the browser back with these parameters.
    async fn returns(&self, words: &[(&str, &str)]) -> Reply {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(words).finish();
        let path = format!("/sign-in/directory/return?{query}");
        self.browser.send(Method::GET, &path, &[("sec-fetch-site", "cross-site")], "").await
    }

    /// Redirects the browser back with this token.
    async fn returns_with(&self, provider: &FakeProvider, token: String) -> Reply {
        provider.facts().token = token;
        self.returns(&[("code", "a code"), ("state", &self.request_parameter("state"))]).await
    }

    /// Redirects the browser back with changed claims.
    async fn returns_as(&self, provider: &FakeProvider, change: impl FnOnce(&mut Value)) -> Reply {
        let mut claims = provider.claims(&self.request_parameter("nonce"), "paula", &["staff"]);
        change(&mut claims);
        self.returns_with(provider, provider.sign(&claims)).await
    }
}

/// Signs a person in at the provider, and returns.
async fn sign_in(site: &Site, provider: &FakeProvider, name: &str, groups: &[&str]) -> Reply {
    let departed = ProviderBrowser::from(site).await;
    let claims = provider.claims(&departed.request_parameter("nonce"), name, groups);
    departed.returns_with(provider, provider.sign(&claims)).await
}

/// Returns the browser of a person who has returned.
fn signed_in_visitor(site: &Site, reply: &Reply) -> Visitor {
    assert!(reply.is_success(), "{}", reply.body);
    let session = reply.cookie("__Host-session").unwrap();
    let csrf = crate::people::Secret::read(&session).unwrap().form_token();
    Visitor { cookies: format!("__Host-session={session}"), csrf, ..site.visitor() }
}
