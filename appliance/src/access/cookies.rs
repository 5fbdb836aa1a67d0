//! Cookies. `__Host-` binds them to this origin: no other host can set them, and they are sent only over TLS.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::people::Secret;

/// Name of the cookie with a session's secret.
pub const SESSION: &str = "__Host-session";
/// Name of the cookie that ties forms to a browser before the sign-in.
pub const FORM: &str = "__Host-form";

/// Name of the cookie of a browser that signs in at an identity provider.
pub const DEPARTED: &str = "__Host-directory";

/// Returns the secret in a cookie, if there is exactly one with this name.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = all.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    let one = found.next()?;
    if found.next().is_some() { None } else { Secret::read(one) }
}

/// Returns a header that stores a secret until the browser is closed. The server ends it earlier.
pub fn set_cookie(name: &str, secret: &Secret) -> Option<HeaderValue> {
    let text = format!("{name}={}; Path=/; Secure; HttpOnly; SameSite=Strict", secret.reveal());
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns a header that stores the secret of a browser on its way to an identity provider, for ten minutes. Unlike the
/// others, the cookie is sent when the provider redirects back, which is a navigation from another site. It permits
/// only the end of this sign-in.
pub fn set_departed(secret: &Secret) -> Option<HeaderValue> {
    let text = format!("{DEPARTED}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600", secret.reveal());
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns a header that removes a cookie.
pub fn unset_cookie(name: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")).ok()
}
