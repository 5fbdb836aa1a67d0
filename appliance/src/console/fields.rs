//! Fields of forms and addresses. Unreadable input yields a refusal page.

use std::convert::Infallible;

use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::{PageResult, go};
use crate::access::Caller;
use crate::people::Secret;
use crate::refusal::{Page, Refusal};

/// Fields of a submitted form.
pub struct FormFields<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for FormFields<T> {
    type Rejection = Page;

    async fn from_request(request: Request, state: &S) -> Result<Self, Page> {
        let read = Form::<T>::from_request(request, state).await;
        read.map(|Form(fields)| Self(fields)).map_err(|rejection| Page(Refusal::Invalid(rejection.body_text())))
    }
}

/// Query parameters of an address.
pub struct QueryParameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = Page;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Page> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(fields)| Self(fields)).map_err(|rejection| Page(Refusal::Invalid(rejection.body_text())))
    }
}

/// The last action, as the console stated it when it redirected this browser to the page. An address forged by others
/// states nothing.
pub struct ActionNotice(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ActionNotice {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let field = |name: &str| form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value);
        let secret = parts.extensions.get::<Caller>().and_then(|caller| caller.form_secret.as_ref());
        let (done, mark) = (field("done").unwrap_or_default(), field("mark").unwrap_or_default());
        let is_own = secret.is_some_and(|secret| secret.mark([parts.uri.path(), &done]) == mark);
        Ok(Self(if is_own { done.into_owned() } else { String::new() }))
    }
}

/// Redirects this caller to a page that states the last action.
pub fn tell(caller: &Caller, path: &str, done: &str) -> PageResult {
    match &caller.form_secret {
        Some(secret) => go(&notice_address(secret, path, done)),
        None => go(path),
    }
}

/// Returns the address of a page that states the last action, only for the holder of this secret.
pub fn notice_address(secret: &Secret, path: &str, done: &str) -> String {
    format!("{path}?done={done}&mark={}", secret.mark([path, done]))
}
