use std::collections::BTreeSet;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;

use super::provider::{CLIENT, FakeProvider, new_key};
use super::*;
use crate::people::users;

/// Checks that no one has signed in, and that no user was created.
async fn expect_nobody(site: &Site, reply: &Reply, what: &str) {
    assert_eq!(reply.refusal(), (401, "LF5032"), "{what}");
    assert_eq!(reply.cookie("__Host-session"), None, "{what}");
    assert_eq!(users(&site.context).await.unwrap().len(), 3, "{what}");
}

#[tokio::test]
async fn wrong_claims_let_nobody_in() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let now = get_current_timestamp();
    let wrong: [(&str, &str, Value); 18] = [
        ("another issuer", "iss", json!("https://evil.example")),
        ("an issuer and another", "iss", json!([provider.issuer(), "https://evil.example"])),
        ("two of the same issuer", "iss", json!([provider.issuer()])),
        ("no issuer", "iss", Value::Null),
        ("another audience", "aud", json!("another-program")),
        ("no audience", "aud", Value::Null),
        ("several audiences, no authorized party", "aud", json!([CLIENT, "another-program"])),
        ("another party", "azp", json!("another-program")),
        ("ended", "exp", json!(now - 61)),
        ("no end", "exp", Value::Null),
        ("an end that is a word", "exp", json!("tomorrow")),
        ("not yet", "nbf", json!(now + 120)),
        ("of the future", "iat", json!(now + 120)),
        ("another sign-in", "nonce", json!("0".repeat(64))),
        ("no sign-in", "nonce", Value::Null),
        ("no subject", "sub", json!("")),
        ("no name", "preferred_username", Value::Null),
        ("malformed groups", "groups", json!({ "admins": true })),
    ];
    for (what, claim, value) in wrong {
        let reply = ProviderBrowser::from(&site).await.returns_as(&provider, |claims| claims[claim] = value).await;
        expect_nobody(&site, &reply, what).await;
    }
    let several = |claims: &mut Value| {
        claims["aud"] = json!([CLIENT, "another-program"]);
        claims["azp"] = json!(CLIENT);
        claims["exp"] = json!(now - 30);
        claims["nbf"] = json!(now + 30);
    };
    let reply = ProviderBrowser::from(&site).await.returns_as(&provider, several).await;
    assert!(reply.is_success(), "a valid token was refused: {}", reply.body);
}

#[tokio::test]
async fn unsigned_tokens_let_nobody_in() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for what in ["none", "None", "HS256", "another key", "no key", "a changed text", "words", "encrypted"] {
        let departed = ProviderBrowser::from(&site).await;
        let claims = provider.claims(&departed.request_parameter("nonce"), "paula", &["admins"]);
        let sound = provider.sign(&claims);
        let parts: Vec<&str> = sound.split('.').collect();
        let token = match what {
            "none" | "None" => format!("{}.{}.", part(&json!({ "alg": what })), part(&claims)),
            "HS256" => {
                let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
                encode(&header, &claims, &EncodingKey::from_secret(b"the public key")).unwrap()
            }
            "another key" => {
                let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES256) };
                encode(&header, &claims, &new_key("one").1).unwrap()
            }
            "no key" => encode(&Header::new(Algorithm::ES256), &claims, &new_key("x").1).unwrap(),
            "a changed text" => {
                let changed = provider.claims(&departed.request_parameter("nonce"), "root", &["admins"]);
                format!("{}.{}.{}", parts[0], part(&changed), parts[2])
            }
            "words" => "not.a.token".to_owned(),
            _ => format!("{}.{sound}", part(&json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }))),
        };
        let reply = departed.returns_with(&provider, token).await;
        expect_nobody(&site, &reply, what).await;
    }
}

#[tokio::test]
async fn answer_counts_once_per_browser() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);

    let (mine, other) = (ProviderBrowser::from(&site).await, ProviderBrowser::from(&site).await);
    provider.facts().token = provider.sign(&provider.claims(&other.request_parameter("nonce"), "mallory", &["staff"]));
    let planted = mine.returns(&[("code", "a code"), ("state", &other.request_parameter("state"))]).await;
    expect_nobody(&site, &planted, "another browser's answer").await;
    let late = mine.returns_as(&provider, |_| {}).await;
    expect_nobody(&site, &late, "a wrong answer ends the sign-in").await;

    let without = ProviderBrowser { browser: Visitor { origin: None, ..site.visitor() }, place: other.place.clone() };
    expect_nobody(&site, &without.returns_as(&provider, |_| {}).await, "a browser without the cookie").await;
    let two = format!("{}; {}", other.browser.cookies, other.browser.cookies);
    let two = ProviderBrowser {
        browser: Visitor { cookies: two, origin: None, ..site.visitor() },
        place: other.place.clone(),
    };
    expect_nobody(&site, &two.returns_as(&provider, |_| {}).await, "two cookies").await;

    let cases: [&[(&str, &str)]; 5] = [
        &[("code", "x")],
        &[("code", "x"), ("state", "")],
        &[],
        &[("error", "access_denied<script>"), ("state", "STATE")],
        &[("code", "x"), ("state", "STATE"), ("iss", "https://evil.example")],
    ];
    for words in cases {
        let departed = ProviderBrowser::from(&site).await;
        let state = departed.request_parameter("state");
        let words: Vec<_> =
            words.iter().map(|(name, word)| (*name, if *word == "STATE" { state.as_str() } else { word })).collect();
        let reply = departed.returns(&words).await;
        assert!(!reply.body.contains("<script>"), "{}", reply.body);
        expect_nobody(&site, &reply, &format!("{words:?}")).await;
    }
    let asked = provider.facts().asked.len();
    let reply = other.returns_as(&provider, |_| {}).await;
    assert!(reply.is_success(), "{}", reply.body);
    assert_eq!(provider.facts().asked.len(), asked + 1, "a refused answer reached the provider");
    let again = other.returns_as(&provider, |_| {}).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "the answer counted twice");
    let begun = site.audit_lines("session.begin").await;
    let refused = begun.iter().filter(|line| line.contains(": refused")).count();
    assert_eq!(refused, 4, "not one entry per reason and hour: {begun:?}");
}

#[tokio::test]
async fn misbehaving_provider_is_not_followed() {
    let site = Site::begin().await;
    let endless = "x".repeat(2 << 20);
    let cases: [(&str, &str, StatusCode, &str); 7] = [
        ("a redirect", "description", StatusCode::FOUND, "/elsewhere"),
        ("no description", "description", StatusCode::OK, "{}"),
        ("an endless description", "description", StatusCode::OK, &endless),
        ("a failing description", "description", StatusCode::INTERNAL_SERVER_ERROR, ""),
        ("endless keys", "keys", StatusCode::OK, &endless),
        ("failing tokens", "token", StatusCode::INTERNAL_SERVER_ERROR, ""),
        ("a redirect of tokens", "token", StatusCode::TEMPORARY_REDIRECT, "/elsewhere"),
    ];
    for (what, path, status, text) in cases {
        let provider = FakeProvider::begin();
        provider.serve_people_of(&site);
        provider.facts().replaced.insert(path, (status, text.to_owned()));
        let reply = match path {
            "description" => site.visitor().get("/sign-in/directory").await,
            _ => sign_in(&site, &provider, "paula", &["staff"]).await,
        };
        assert_eq!(reply.refusal(), (502, "LF5033"), "{what}");
    }
    let changes =
        [json!({ "issuer": "https://evil.example" }), json!({ "token_endpoint": "http://127.0.0.1:1/token" })];
    for change in changes {
        let provider = FakeProvider::begin();
        provider.serve_people_of(&site);
        provider.facts().description = change.clone();
        let reply = site.visitor().get("/sign-in/directory").await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{change}");
    }
    let provider = FakeProvider::begin();
    provider.serve_people_of(&site);
    provider.facts().replaced.insert("token", (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned()));
    let reply = sign_in(&site, &provider, "paula", &["staff"]).await;
    assert_eq!(reply.refusal(), (401, "LF5032"));
    insta::assert_snapshot!("refused_code", reply.problem());
    assert_eq!(users(&site.context).await.unwrap().len(), 3);
}

#[tokio::test]
async fn only_trusted_provider_is_asked() {
    let (site, provider, other) = (Site::begin().await, FakeProvider::begin(), FakeProvider::begin());
    let files = [("directory.yaml", provider.settings(&site)), ("oidc-authority.crt", other.authority())];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    site.context.directory.replace(provider::derive_directory(&files));
    let reply = site.visitor().get("/sign-in/directory").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{}", reply.body);
}

#[tokio::test]
async fn groups_match_whole_names() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let mut problems = BTreeSet::new();
    for groups in [&[][..], &["ADMINS"], &["admins,staff"], &["cn=admins,dc=example"], &["admins "], &["x", "staff\n"]]
    {
        let reply = sign_in(&site, &provider, "paula", groups).await;
        expect_nobody(&site, &reply, &format!("{groups:?}")).await;
        problems.insert(reply.problem());
    }
    insta::assert_snapshot!(problems.into_iter().collect::<Vec<_>>().join("\n"));
}
