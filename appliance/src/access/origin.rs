//! Check that a browser sent a request from a page of the console.

use axum::http::{HeaderMap, header};

/// Returns true if a request may use its cookie's rights. Browsers state the origin of a request: another origin has no
/// rights, and a request that changes something must state this origin. `host` is the console's host name in browsers.
pub fn is_own(headers: &HeaderMap, host: Option<&str>, changes: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site");
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default());
    let own = host.map(|host| format!("https://{host}"));
    let is_own_origin = origin.map(|origin| own.as_deref() == Some(origin));
    match (site, is_own_origin) {
        (_, Some(false)) => false,
        (Some("same-origin"), _) => true,
        (Some("none"), _) => !changes,
        (Some(_), _) => false,
        (None, is_own) => is_own.unwrap_or(!changes),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::{HeaderMap, header};

    fn is_own(headers: &HeaderMap, changes: bool) -> bool {
        super::is_own(headers, headers.get(header::HOST).and_then(|host| host.to_str().ok()), changes)
    }

    fn says(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        std::iter::once((header::HOST, HeaderValue::from_static("192.0.2.7:31443"))).chain(pairs).collect()
    }

    #[test]
    fn only_own_origin_may_change() {
        let own = ("origin", "https://192.0.2.7:31443");
        assert!(is_own(&says(&[own]), true));
        assert!(is_own(&says(&[own, ("sec-fetch-site", "same-origin")]), true));
        assert!(is_own(&says(&[("sec-fetch-site", "same-origin")]), true));
        let foreign: [&[_]; 8] = [
            &[],
            &[("origin", "null")],
            &[("origin", "http://192.0.2.7:31443")],
            &[("origin", "https://192.0.2.7")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[own, ("sec-fetch-site", "cross-site")],
            &[own, ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
        ];
        for headers in foreign {
            assert!(!is_own(&says(headers), true), "{headers:?}");
        }
    }

    #[test]
    fn reading_needs_no_foreign_origin() {
        assert!(is_own(&says(&[]), false) && is_own(&says(&[("sec-fetch-site", "none")]), false));
        assert!(!is_own(&says(&[("sec-fetch-site", "cross-site")]), false));
        assert!(!is_own(&says(&[("origin", "https://evil.example")]), false));
    }
}
