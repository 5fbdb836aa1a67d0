//! Tests with line ends and header names in every part of a request: none becomes a header of the answer, or a second
//! request.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::people::Scope;

/// A line end, followed by text that would be a header.
const PLAIN: &str = "x\r\nInjected: yes\r\nSet-Cookie: injected=yes\r\n\r\n<b>injected</b>";
/// Same attack as part of an address.
const ENCODED: &str = "x%0d%0aInjected:%20yes%0d%0aSet-Cookie:%20injected=yes%0d%0a%0d%0a%3cb%3einjected%3c/b%3e";
/// Line ends that some programs take for one.
const OTHERS: [&str; 4] =
    ["x%0aInjected:yes", "x%0dInjected:yes", "x%e5%98%8a%e5%98%8dInjected:yes", "x%c2%85Injected:yes"];
/// Fields of all forms.
const FIELDS: [&str; 22] = [
    "again",
    "as_of",
    "at",
    "backup",
    "components",
    "confirm",
    "data",
    "days",
    "digest",
    "kind",
    "label",
    "license",
    "medium",
    "name",
    "new",
    "operation",
    "password",
    "plan",
    "present",
    "request",
    "role",
    "token",
];

/// Checks that an answer has no header of the attacker, does not redirect elsewhere, and is not a server error.
fn assert_clean(reply: &Reply, what: &str) {
    assert!(!reply.status.is_server_error(), "{what}: {} {}", reply.status, reply.body);
    assert!(!reply.headers.contains_key("injected"), "{what}: {:?}", reply.headers);
    let mut cookies = reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    assert!(cookies.all(|cookie| cookie.starts_with("__Host-")), "{what}: {:?}", reply.headers);
    let place = reply.header("location");
    assert!(place.is_empty() || (place.starts_with('/') && !place.starts_with("//")), "{what}: {place}");
    let is_page = reply.header("content-type").starts_with("text/html");
    assert!(!is_page || !reply.body.contains("<b>injected"), "{what}: {}", reply.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn line_ends_inject_no_headers() {
    let site = Site::begin().await;
    let program = site.program("root", &Scope::ALL).await;
    let object: serde_json::Map<_, _> = FIELDS.iter().map(|field| ((*field).to_owned(), PLAIN.into())).collect();
    let object = serde_json::to_string(&object).unwrap();
    let fields = FIELDS.map(|field| (field, PLAIN));
    for rule in RULES {
        let what = format!("{} {}", rule.method, rule.path);
        let path = rule.path.replace("{*name}", "{name}").replace("{name}", ENCODED).replace("{id}", ENCODED);
        let browser = site.sign_in("root").await;
        let reply = match *rule.method {
            Method::GET => browser.get(&format!("{path}?done={ENCODED}&request={ENCODED}&find={ENCODED}")).await,
            _ if path.starts_with("/api/") => program.call(rule.method.clone(), &path, &object).await,
            _ => browser.post(&path, &fields).await,
        };
        assert_clean(&reply, &what);
        if path != rule.path {
            for other in OTHERS {
                let path = rule.path.replace("{*name}", "{name}").replace("{name}", other).replace("{id}", other);
                let reply = site.sign_in("root").await.send(rule.method.clone(), &path, &[], "").await;
                assert_clean(&reply, &format!("{what} with {other}"));
            }
        }
    }
}

/// Returns the answer to these bytes, until the console closes the connection.
async fn answer(site: &Site, request: &str) -> String {
    let mut stream = site.visitor().connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    // A connection that is closed without a TLS close message is also closed.
    let _ended = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn smuggled_requests_get_one_answer() {
    let site = Site::begin().await;
    let end = "Connection: close\r\n\r\n";
    let second = "GET /health/live HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
    let head = "POST /sign-in HTTP/1.1\r\nHost: c\r\n";
    for (what, request) in [
        (
            "a line end within a header",
            format!("GET /sign-in HTTP/1.1\r\nHost: c\r\nAccept: a\r\n Injected: yes\r\n{end}"),
        ),
        ("a bare line feed", format!("GET /sign-in HTTP/1.1\r\nHost: c\nInjected: yes\r\n{end}")),
        ("a name with a space", format!("GET /sign-in HTTP/1.1\r\nHost: c\r\nInjected : yes\r\n{end}")),
        ("a zero byte", format!("GET /sign-in HTTP/1.1\r\nHost: c\r\nAccept: a\0Injected: yes\r\n{end}")),
        ("two lengths", format!("{head}Content-Length: 0\r\nContent-Length: {}\r\n\r\n{second}", second.len())),
        (
            "a length and chunks",
            format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}"),
        ),
        (
            "chunks in disguise",
            format!("{head}Content-Length: 5\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n{second}"),
        ),
        ("a length of another form", format!("{head}Content-Length: +0\r\n\r\n{second}")),
    ] {
        let text = answer(&site, &request).await;
        let answers = text.matches("HTTP/1.1 ").count();
        assert!(!text.ends_with("live\n") && answers <= 1, "{what}: {text}");
        assert!(!text.to_lowercase().contains("injected"), "{what}: {text}");
    }
}

#[tokio::test]
async fn answers_omit_claimed_hosts() {
    let site = Site::begin().await;
    let evil = "evil.example";
    let root = site.sign_in("root").await;
    let headers = [
        ("x-forwarded-host", evil),
        ("x-forwarded-for", "192.0.2.99"),
        ("forwarded", "for=192.0.2.99;host=evil.example;proto=http"),
        ("x-original-url", "/users"),
        ("x-rewrite-url", "/users"),
        ("x-http-method-override", "DELETE"),
        ("x-request-id", evil),
        ("referer", "https://evil.example/"),
    ];
    for path in ["/", "/sign-in", "/first", "/account", "/audit"] {
        let reply = root.send(Method::GET, path, &headers, "").await;
        assert_clean(&reply, path);
        let text = format!("{:?}", reply.headers);
        assert!(!text.contains(evil) && !reply.body.contains(evil), "{path}: {text}");
        assert!(!reply.body.contains("192.0.2.99"), "{path} trusts a claimed address");
    }
    let anonymous = site.visitor().send(Method::GET, "/sign-in", &headers, "").await;
    assert!(anonymous.is_success() && !anonymous.body.contains("/users/"), "a header replaced the request line");
}
