use landfall_error_codes::CodedError as _;

use super::super::{State, check, watch};
use super::provider::{FakeProvider, SECRET, derive_directory};
use super::*;
use crate::testing::{TIMES, until, words_of};

fn faults(contents: &[(&str, &str)]) -> Vec<String> {
    match derive_directory(contents) {
        State::Faulty(faults) => faults,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_settings_faults_are_named() {
    assert!(matches!(derive_directory(&[]), State::Off));
    let text = "oidc:\n  issuer: http://id.example\n  client: ''\n  console: https://console.example/path\n  \
                scopes: ['a b']\n  address: nowhere\n";
    let whole = "oidc: {issuer: https://id.example, client: c, console: https://c.example, roles: {viewer: ['']}}";
    let found = [
        &[("directory.yaml", text), ("oidc-client-secret", "a\nb")][..],
        &[("oidc-client-secret", "x")],
        &[("directory.yaml", "{}")],
        &[("directory.yaml", text), ("oidc-authority.crt", "x")],
        &[("directory.yaml", whole)],
    ];
    insta::assert_snapshot!(found.map(|contents| faults(contents).join("\n")).join("\n\n"));
    for text in ["oidc: [", "saml: {}"] {
        assert!(faults(&[("directory.yaml", text)])[0].contains("cannot be read"), "{text}");
    }
}

#[tokio::test]
async fn faults_quote_no_password() {
    let text = "oidc:\n  issuer: https://a:canary@id.example\n  client: c\n  console: \
        https://a:canary@console.example\n  address: a:canary@192.0.2.7\nldap:\n  url: \
        ldaps://a:canary@dc1.example.org\n  address: canary@192.0.2.8\n";
    let found = faults(&[("directory.yaml", text)]).join("; ");
    for field in ["oidc.issuer", "oidc.console", "oidc.address", "ldap.url", "ldap.address"] {
        assert!(found.contains(&format!("{field}: a value with a user or options is not ")), "{found}");
    }
    assert!(!found.contains("canary"), "{found}");
}

#[tokio::test]
async fn administrators_see_directory_faults() {
    let site = Site::begin().await;
    site.context.directory.replace(derive_directory(&[("directory.yaml", "oidc: {}")]));
    let page = site.sign_in("root").await.get("/users").await;
    assert_eq!(page.refusal(), (200, "LF5034"));
    assert!(page.notices()[0].contains("directory.yaml cannot be read"), "{}", page.body);
    assert!(!site.visitor().get("/sign-in").await.has("href", "/sign-in/directory"));
    assert_eq!(site.visitor().get("/sign-in/directory").await.status.as_u16(), 404);
    let door = site.at_the_door("/sign-in").await;
    let local = door.post("/sign-in", &[("name", "vera"), ("password", crate::testing::PASSWORD)]).await;
    assert_eq!(local.status.as_u16(), 303);
}

#[tokio::test]
async fn user_page_shows_provider_without_secret() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let page = site.sign_in("root").await.get("/users").await.body;
    insta::with_settings!({ filters => [LOOPBACK, TIMES] }, { insta::assert_snapshot!(words_of(&page)) });
    let debug = format!("{:?}", site.context.directory);
    for text in [&page, &debug] {
        assert!(!text.contains(SECRET));
    }
}

#[tokio::test]
async fn new_settings_need_no_restart() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    let folder = tempfile::tempdir().unwrap();
    let watching = tokio::spawn(watch(site.context.directory.clone(), folder.path().to_owned()));
    let write = |name: &str, text: &str| {
        landfall_media::durable::write_file(&folder.path().join(name), text.as_bytes(), 0o600).unwrap();
    };
    write("oidc-authority.crt", &provider.authority());
    write("directory.yaml", &provider.settings(&site));
    until(async || site.context.directory.now().oidc().is_some()).await;
    assert!(sign_in(&site, &provider, "paula", &["staff"]).await.is_success());
    assert!(provider.facts().asked[0].1.is_empty(), "a public client sent a secret");
    write("directory.yaml", "nonsense");
    until(async || !site.context.directory.now().faults().is_empty()).await;
    for name in ["oidc-authority.crt", "directory.yaml"] {
        landfall_media::durable::remove_file(&folder.path().join(name)).unwrap();
    }
    until(async || matches!(&*site.context.directory.now(), State::Off)).await;
    watching.abort();
}

#[tokio::test]
async fn check_asks_directory() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        landfall_media::durable::write_file(&folder.path().join(name), text.as_bytes(), 0o600).unwrap();
    };
    assert!(check(folder.path()).await.unwrap()[0].contains("people are local"));
    write("directory.yaml", &provider.settings(&site));
    let error = check(folder.path()).await.unwrap_err();
    assert_eq!(error.code().id, "LF5034");
    write("oidc-authority.crt", &provider.authority());
    let lines = check(folder.path()).await.unwrap().join("\n");
    insta::with_settings!({ filters => [LOOPBACK] }, { insta::assert_snapshot!(lines) });
    provider.facts().description = serde_json::json!({ "issuer": "https://evil.example" });
    assert_eq!(check(folder.path()).await.unwrap_err().code().id, "LF5033");
}
