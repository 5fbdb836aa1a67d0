use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::provider::{CLIENT, FakeProvider, new_key};
use super::*;
use crate::people::{Role, Source, user};
use crate::testing::{PASSWORD, until, words_of};

#[tokio::test]
async fn provider_sign_in_sets_role() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let door = site.visitor().get("/sign-in").await;
    assert!(door.has("href", "/sign-in/directory"), "{}", door.body);
    insta::assert_snapshot!("sign_in_page", words_of(&door.body));

    let departed = ProviderBrowser::from(&site).await;
    assert_eq!(departed.request_parameter("tenant"), "a", "the provider's own parameter is lost");
    assert_eq!(
        (departed.request_parameter("response_type"), departed.request_parameter("client_id")),
        ("code".into(), CLIENT.into())
    );
    assert_eq!(departed.request_parameter("scope"), "openid profile");
    let redirect = format!("https://{}/sign-in/directory/return", site.address);
    assert_eq!(departed.request_parameter("redirect_uri"), redirect);
    let reply = departed.returns_as(&provider, |claims| claims["groups"] = "operators".into()).await;
    assert!(reply.body.contains("http-equiv=\"refresh\" content=\"0; url=/\""), "{}", reply.body);

    let (form, client) = provider.facts().asked[0].clone();
    assert_eq!((form["code"].as_str(), form["redirect_uri"].as_str()), ("a code", redirect.as_str()));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    assert_eq!(
        (challenge, departed.request_parameter("code_challenge_method")),
        (departed.request_parameter("code_challenge"), "S256".into())
    );
    let client = STANDARD.decode(client.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(client).unwrap(), format!("{CLIENT}:c0n+sole%3As%C3%A9cret"));

    let browser = signed_in_visitor(&site, &reply);
    assert!(browser.get("/").await.body.contains(">paula<"));
    let paula = user(&site.context, "paula").await.unwrap();
    assert_eq!((paula.role, paula.source), (Role::Operator, Source::Oidc));
    let mut lines = site.audit_lines("user.create").await.split_off(3);
    lines.extend(site.audit_lines("session.begin").await);
    insta::with_settings!({ filters => [LOOPBACK] }, { insta::assert_snapshot!(lines.join("\n")) });

    let left = browser.post("/sign-out", &[]).await;
    assert_eq!(left.header("location"), "/sign-in?left=provider");
    assert!(site.visitor().get("/sign-in?left=provider").await.has("href", "/sign-in/directory/end"));
    let end = site.visitor().get("/sign-in/directory/end").await;
    assert!(end.header("location").starts_with(&format!("{}/end?client_id={CLIENT}", provider.issuer())));
}

#[tokio::test]
async fn only_flow_cookie_crosses_sites() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let reply = site.visitor().get("/sign-in/directory").await;
    let cookie = reply.header("set-cookie");
    for flag in ["__Host-directory=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=600"] {
        assert!(cookie.contains(flag), "{flag} is not in {cookie}");
    }
    let reply = sign_in(&site, &provider, "paula", &["staff"]).await;
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-session=") && cookie.contains("SameSite=Strict")));
    assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-directory=;") && cookie.contains("Max-Age=0")));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.header("content-security-policy").contains("form-action 'self'"));
}

#[tokio::test]
async fn provider_keys_may_change() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    assert!(sign_in(&site, &provider, "paula", &["staff"]).await.is_success());
    provider.facts().key = new_key("two");
    assert!(sign_in(&site, &provider, "paula", &["staff"]).await.is_success());
    let stolen = new_key("two");
    let departed = ProviderBrowser::from(&site).await;
    let claims = provider.claims(&departed.request_parameter("nonce"), "paula", &["admins"]);
    let header = jsonwebtoken::Header {
        kid: Some("two".to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
    };
    let token = jsonwebtoken::encode(&header, &claims, &stolen.1).unwrap();
    assert_eq!(departed.returns_with(&provider, token).await.status.as_u16(), 401, "a key was accepted by its name");
}

#[tokio::test]
async fn provider_outage_spares_local_users() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    provider.stop();
    until(async || tokio::net::TcpStream::connect(provider.issuer().replace("https://", "")).await.is_err()).await;
    let begun = std::time::Instant::now();
    let reply = site.visitor().get("/sign-in/directory").await;
    assert_eq!(reply.refusal(), (502, "LF5033"));
    insta::assert_snapshot!("provider_outage", reply.problem());
    assert!(begun.elapsed().as_secs() < 10);
    let door = site.at_the_door("/sign-in").await;
    let local = door.post("/sign-in", &[("name", "vera"), ("password", PASSWORD)]).await;
    assert_eq!(local.status.as_u16(), 303, "a local user cannot sign in");
    let door = site.at_the_door("/first").await;
    let token = [("token", "K7QF2M-9XRT4B"), ("name", "new"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(door.post("/first", &token).await.status.as_u16(), 303, "the host's token was refused");
    assert!(site.visitor().get("/health").await.is_success());
}

#[tokio::test]
async fn sign_ins_per_address_are_bounded() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let here = "127.0.0.1".parse().unwrap();
    while site.context.throttle.depart(here, std::time::Instant::now()).is_ok() {}
    let reply = site.visitor().get("/sign-in/directory").await;
    assert_eq!(reply.status.as_u16(), 429);
}

#[tokio::test]
async fn wrong_console_name_is_explained() {
    let (site, provider) = (Site::begin().await, FakeProvider::begin());
    provider.serve_people_of(&site);
    let settings = provider.settings(&site).replace("console: https://127.0.0.1", "console: https://console.example");
    let files = [("directory.yaml", settings.as_str()), ("oidc-authority.crt", &provider.authority())];
    site.context.directory.replace(provider::derive_directory(&files));
    let reply = site.visitor().get("/sign-in/directory").await;
    assert_eq!(reply.refusal(), (401, "LF5032"));
    insta::with_settings!({ filters => [(r":\d+,", ":[port],")] }, { insta::assert_snapshot!(reply.problem()) });

    // A trusted proxy requests the console by its address, and the browser uses the name that the site has set.
    let folder = tempfile::tempdir().unwrap();
    let ingress = format!("host: console.example:{}\nproxies: [127.0.0.1]\n", site.address.port());
    landfall_media::durable::write_file(&folder.path().join("ingress.yaml"), ingress.as_bytes(), 0o644).unwrap();
    let watching = tokio::spawn(crate::ingress::watch(site.context.ingress.clone(), folder.path().to_owned()));
    until(async || matches!(*site.context.ingress.state(), crate::ingress::State::On(_))).await;
    let reply = site.visitor().get("/sign-in/directory").await;
    assert_eq!(reply.status.as_u16(), 303, "{}", reply.body);
    watching.abort();
}
