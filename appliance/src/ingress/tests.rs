use std::net::Ipv4Addr;

use axum::http::{HeaderValue, Method, StatusCode};

use super::*;
use crate::settings_files::Files;
use crate::testing::{Site, Visitor, until};

fn state(text: &str) -> State {
    let folder = tempfile::tempdir().unwrap();
    landfall_media::durable::write_file(&folder.path().join("ingress.yaml"), text.as_bytes(), 0o644).unwrap();
    settings::read(&Files::read(folder.path(), &settings::NAMES))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn forwarded_headers(lines: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("192.0.2.7:31443"));
    for line in lines {
        headers.append("x-forwarded-for", HeaderValue::from_static(line));
    }
    headers
}

#[test]
fn all_faults_are_found() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(settings::read(&Files::read(empty.path(), &settings::NAMES)), State::Off);
    let faulty = state("host: 'a b'\nproxies: [everyone, 10.0.0.0/4, 192.0.2.0/24]\n");
    let State::Faulty(found) = &faulty else { panic!("{faulty:?}") };
    assert_eq!(found.len(), 3, "{found:?}");
    for text in ["host: c\nproxies: []\n", "proxies: [192.0.2.1]\n", "host: c\nproxies: [192.0.2.1]\nmore: 1\n", "["] {
        assert!(matches!(state(text), State::Faulty(_)), "{text}");
    }
}

#[test]
fn network_contains_matching_prefixes() {
    let contains = |network: &str, address: &str| network.parse::<network::Network>().unwrap().contains(ip(address));
    assert!(contains("10.244.0.0/16", "10.244.3.9") && !contains("10.244.0.0/16", "10.245.0.1"));
    assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.6"));
    assert!(contains("2001:db8::/32", "2001:db8:1::2") && !contains("2001:db8::/32", "2001:db9::"));
    assert!(!contains("2001:db8::1", "192.0.2.7"));
    assert!(contains("::ffff:192.0.2.7", "192.0.2.7") && !contains("::ffff:192.0.2.7", "192.0.2.6"));
    assert!(contains("::ffff:10.244.0.0/112", "10.244.3.9") && !contains("::ffff:10.244.0.0/112", "10.245.0.1"));
    let refused = |wrong: &str| wrong.parse::<network::Network>().unwrap_err();
    for wrong in
        ["::ffff:192.0.2.0/24", "::ffff:192.0.2.0/103", "::ffff:0.0.0.0/96", "192.0.2.0/33", "0.0.0.0/0", "::/0"]
    {
        assert!(refused(wrong).contains(" has a prefix that is not from "), "{wrong}");
    }
    for wrong in ["", "x", "192.0.2.0/-1", "192.0.2.0/"] {
        assert!(refused(wrong).contains(" is not an address or a network"), "{wrong}");
    }
}

#[test]
fn client_is_last_untrusted_address() {
    let on = state("host: Console.example.com\nproxies: [10.244.0.0/16, 192.0.2.9]\n");
    let client = |peer: &str, lines: &[&'static str]| on.client(ip(peer), &forwarded_headers(lines)).to_string();
    assert_eq!(client("10.244.0.5", &["198.51.100.4"]), "198.51.100.4");
    assert_eq!(client("10.244.0.5", &["203.0.113.1, 198.51.100.4"]), "198.51.100.4", "the browser's own header counts");
    assert_eq!(
        client("10.244.0.5", &["198.51.100.4, 192.0.2.9", "10.244.1.1"]),
        "198.51.100.4",
        "over several proxies"
    );
    assert_eq!(client("10.244.0.5", &["198.51.100.4:5123"]), "198.51.100.4");
    assert_eq!(client("10.244.0.5", &["[2001:db8::7]:443"]), "2001:db8::7");
    assert_eq!(client("10.244.0.5", &["198.51.100.4, unknown"]), "10.244.0.5");
    assert_eq!(client("10.244.0.5", &[]), "10.244.0.5");
    assert_eq!(client("203.0.113.8", &["198.51.100.4"]), "203.0.113.8", "no proxy");
    let mut spoiled = forwarded_headers(&[]);
    spoiled.append("x-forwarded-for", HeaderValue::from_bytes(b"caf\xe9, 198.51.100.4").unwrap());
    let found = on.client(ip("10.244.0.5"), &spoiled);
    assert_eq!(found, ip("198.51.100.4"), "invalid bytes hid an address");
    let by_standard = state("host: c\nproxies: [10.244.0.5]\nheader: forwarded\n");
    let mut headers = forwarded_headers(&["203.0.113.1"]);
    for (line, expected) in [
        (r#"for=203.0.113.1, For="[2001:db8::7]:4711";proto=https"#, "2001:db8::7"),
        ("proto=https;for=198.51.100.4", "198.51.100.4"),
        ("for=198.51.100.4, for=_hidden", "10.244.0.5"),
        ("by=198.51.100.4", "10.244.0.5"),
    ] {
        headers.insert(header::FORWARDED, HeaderValue::from_static(line));
        assert_eq!(by_standard.client(ip("10.244.0.5"), &headers), ip(expected), "{line}");
        assert_eq!(on.client(ip("10.244.0.5"), &headers), ip("203.0.113.1"), "the other header counts");
    }
    let off = State::Off;
    assert_eq!(off.client(ip("10.244.0.5"), &forwarded_headers(&["198.51.100.4"])), ip("10.244.0.5"));
    let headers = forwarded_headers(&[]);
    assert_eq!(on.host(ip("10.244.0.5"), &headers), Some("console.example.com"));
    assert_eq!(on.host(ip("203.0.113.8"), &headers), Some("192.0.2.7:31443"));
}

#[test]
fn host_matches_browser_origin() {
    for (host, shown) in [
        ("Console.example.com:443", "console.example.com"),
        ("console.example.com:8443", "console.example.com:8443"),
        ("[2001:db8::7]:443", "[2001:db8::7]"),
        ("[2001:db8::443]", "[2001:db8::443]"),
    ] {
        let State::On(settings) = state(&format!("host: '{host}'\nproxies: [192.0.2.9]\n")) else { panic!("{host}") };
        assert_eq!(settings.host, shown);
    }
}

/// Tests the whole console: a proxy at one loopback address, an untrusted client at another.
#[tokio::test]
async fn proxy_preserves_browser_address_and_origin() {
    let site = Site::begin().await;
    let folder = tempfile::tempdir().unwrap();
    let text = "host: console.example.com\nproxies: [127.0.0.9]\n";
    landfall_media::durable::write_file(&folder.path().join("ingress.yaml"), text.as_bytes(), 0o644).unwrap();
    let watching = tokio::spawn(watch(site.context.ingress.clone(), folder.path().to_owned()));
    until(async || matches!(*site.context.ingress.state(), State::On(_))).await;
    let root = site.sign_in("root").await;
    let from = |last: u8| Visitor {
        from: Ipv4Addr::new(127, 0, 0, last),
        origin: Some("https://console.example.com".to_owned()),
        ..root.clone()
    };
    let form = format!("csrf={}", root.csrf);
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-for", "203.0.113.1, 198.51.100.4")];
    let by_proxy = from(9).send(Method::POST, "/account/sessions", &headers, &form).await;
    assert_eq!(by_proxy.status, StatusCode::SEE_OTHER, "{}", by_proxy.body);
    from(9).send(Method::GET, "/api/v1/audit", &headers[1..], "").await;
    let log = from(9).get("/audit").await.body;
    assert!(log.contains("198.51.100.4") && !log.contains("203.0.113.1"), "{log}");
    let foreign = from(8).send(Method::POST, "/account/sessions", &headers, &form).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN, "a foreign origin was accepted");
    watching.abort();
}

/// The handbook's Ingress object leads to the console's service, by a name of its certificate, and admits a piece of an
/// upload.
#[test]
fn handbook_ingress_reaches_console() {
    let read = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).unwrap();
    let handbook = include_str!("../../../docs/console/ingress.md");
    let ingress = handbook.split("```").find(|part| part.starts_with("yaml\n# console.yaml\n")).unwrap();
    let ingress = read(ingress.trim_start_matches("yaml\n"));
    let service = include_str!("../../../manifests/console/service.yaml").split("\n---\n").map(read);
    let service = service.into_iter().find(|one| one["kind"] == "Service" && one["metadata"]["name"] == "console");
    let port = service.unwrap()["spec"]["ports"][0]["port"].clone();
    let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
    assert_eq!((&backend["name"], &backend["port"]["number"]), (&"console".into(), &port));
    let annotation = |name: &str| &ingress["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{name}")];
    let namespace = ingress["metadata"]["namespace"].as_str().unwrap();
    assert_eq!(annotation("proxy-ssl-name"), &format!("console.{namespace}.svc"));
    assert_eq!(annotation("backend-protocol"), "HTTPS");
    let room: usize = annotation("proxy-body-size").as_str().unwrap().trim_end_matches('m').parse().unwrap();
    assert!(room << 20 > landfall_peer::PIECE_BYTES);
}
