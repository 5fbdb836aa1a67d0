//! Tests of paths that would lead out of a folder of static files, if there were one. The name is only compared, and
//! nothing is opened.

use super::*;
use crate::console::STYLE;

/// Names after `/assets/` that lead out of a folder, possibly after decoding.
const TRICKS: [&str; 42] = [
    "",
    ".",
    "..",
    "../console.db",
    "../../etc/passwd",
    "../../../../../../../../etc/passwd",
    "..%2fconsole.db",
    "..%2f..%2fconsole.db",
    "%2e%2e/console.db",
    "%2e%2e%2fconsole.db",
    "%2E%2E%2Fconsole.db",
    "..%252fconsole.db",
    "%252e%252e%252fconsole.db",
    "%25252e%25252e%25252fconsole.db",
    "..\\console.db",
    "..%5cconsole.db",
    "..%255cconsole.db",
    "....//console.db",
    "..../console.db",
    ".../console.db",
    "..;/console.db",
    "..;a=b/console.db",
    "..%00/console.db",
    "console.db%00.css",
    "..%c0%afconsole.db",
    "%c0%ae%c0%ae/console.db",
    "%c1%9cconsole.db",
    "%e0%80%af..%e0%80%afconsole.db",
    "..%u2215console.db",
    "%uff0e%uff0e/console.db",
    "%ef%bc%8e%ef%bc%8e%ef%bc%8fconsole.db",
    "..%e2%88%95console.db",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "file:///etc/passwd",
    "C:%5cboot.ini",
    "~root",
    ".git/config",
    "console.css",
    "console.css.LICENSE",
    "htmx.LICENSE",
];

/// Wrong spellings of the true name, under which nothing may be found.
const DISGUISES: [&str; 8] = ["/", "/.", "/..", "%00", "%20", ".", "%2e%2e", "/../../console.db"];

#[tokio::test]
async fn paths_stay_in_static_files() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let style = STYLE.path();
    assert!(root.get(&style).await.is_success());
    let tricks = TRICKS.iter().map(|trick| format!("/assets/{trick}"));
    let disguises = DISGUISES.iter().map(|disguise| format!("{style}{disguise}"));
    let upper = std::iter::once(style.to_uppercase().replace("/ASSETS/", "/assets/"));
    for path in tricks.chain(disguises).chain(upper) {
        for path in
            [path.clone(), path.replacen("/assets/", "//assets/", 1), path.replacen("/assets/", "/./assets/", 1)]
        {
            let reply = root.get(&path).await;
            let is_refused = matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST);
            assert!(is_refused, "{path}: {}", reply.status);
            for content in ["root:x:", "SQLite format 3", ":focus-visible"] {
                assert!(!reply.body.contains(content), "{path} shows a file");
            }
        }
    }
    let long = format!("/assets/{}", "../".repeat(5000));
    assert!(root.get(&long).await.status.is_client_error());
}
