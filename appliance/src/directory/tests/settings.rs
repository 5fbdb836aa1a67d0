use landfall_error_codes::CodedError as _;

use super::super::{State, check, watch};
use super::provider::{FakeProvider, SECRET, derive_directory};
use super::*;
use crate::testing::until;

fn faults(contents: &[(&str, &str)]) -> Vec<String> {
    match derive_directory(contents) {
        State::Faulty(faults) => faults,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    assert!(matches!(derive_directory(&[]), State::Off));
    let text = "oidc:\n  issuer: http://id.example\n  client: ''\n  console: https://console.example/path\n  \
                scopes: ['a b']\n  address: nowhere\n";
    let found = faults(&[("directory.yaml", text), ("oidc-client-secret", "a\nb")]).join("; ");
    for field in ["issuer", "client", "console", "scopes", "address", "roles", "authority", "secret"] {
        assert!(found.contains(&format!("oidc.{field}: ")), "{field} is not in {found}");
    }
    for (contents, word) in [
        (&[("oidc-client-secret", "x")][..], "directory.yaml is missing"),
        (&[("directory.yaml", "oidc: [")], "cannot be read"),
        (&[("directory.yaml", "{}")], "names no directory"),
        (&[("directory.yaml", "saml: {}")], "saml"),
        (&[("directory.yaml", text), ("oidc-authority.crt", "x")], "holds no certificate"),
    ] {
        let found = faults(contents).join("; ");
        assert!(found.contains(word), "{word} is not in {found}");
    }
    let whole = "oidc: {issuer: https://id.example, client: c, console: https://c.example, roles: {viewer: ['']}}";
    assert!(faults(&[("directory.yaml", whole)]).join("; ").contains("a group has no name"));
}

#[tokio::test]
async fn no_fault_quotes_the_password_of_an_address() {
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
async fn faults_are_shown_to_administrators_and_local_users_sign_in() {
    let site = Site::begin().await;
    site.context.directory.replace(derive_directory(&[("directory.yaml", "oidc: {}")]));
    let page = site.sign_in("root").await.get("/users").await.body;
    assert!(page.contains("LF5034") && page.contains("directory.yaml cannot be read"), "{page}");
    assert!(!site.visitor().get("/sign-in").await.body.contains("/sign-in/directory"));
    assert_eq!(site.visitor().get("/sign-in/directory").await.status.as_u16(), 404);
    let door = site.at_the_door("/sign-in").await;
    let local = door.post("/sign-in", &[("name", "vera"), ("password", crate::testing::PASSWORD)]).await;
    assert_eq!(local.status.as_u16(), 303);
}

#[tokio::test]
async fn the_page_of_users_shows_where_people_come_from_and_no_secret() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let page = site.sign_in("root").await.get("/users").await.body;
    for text in [&provider.issuer(), "/sign-in/directory/return", "preferred_username", "operators", "with a secret"] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    let debug = format!("{:?}", site.context.directory);
    for text in [&page, &debug] {
        assert!(!text.contains(SECRET));
    }
}

#[tokio::test]
async fn new_settings_are_used_without_a_restart() {
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
    assert!(provider.facts().asked[0].1.is_empty(), "a public client has no secret");
    write("directory.yaml", "nonsense");
    until(async || !site.context.directory.now().faults().is_empty()).await;
    for name in ["oidc-authority.crt", "directory.yaml"] {
        landfall_media::durable::remove_file(&folder.path().join(name)).unwrap();
    }
    until(async || matches!(&*site.context.directory.now(), State::Off)).await;
    watching.abort();
}

#[tokio::test]
async fn a_check_asks_the_directory() {
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
    assert!(lines.contains("with 2 keys") && lines.contains("/sign-in/directory/return"), "{lines}");
    provider.facts().description = serde_json::json!({ "issuer": "https://evil.example" });
    assert_eq!(check(folder.path()).await.unwrap_err().code().id, "LF5033");
}
