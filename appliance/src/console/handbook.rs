//! The handbook, as it is packed into the program. Everyone may read it: a person who cannot sign in needs it most.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use landfall_error_codes::codes;
use landfall_handbook::File;

use crate::error::Error;
use crate::refusal::Refusal;

/// Path of the first page.
const FIRST: &str = "/handbook/index.html";

/// Returns the path of the handbook's row about an error code.
pub fn code_path(code: impl AsRef<str>) -> String {
    format!("/handbook/ERRORS.html#{}", code.as_ref())
}

/// Handles `GET /handbook`.
pub async fn begin() -> Redirect {
    Redirect::to(FIRST)
}

/// Handles `GET /handbook/{*name}`. The name is compared, never opened.
pub async fn file(Path(name): Path<String>) -> Result<Response, Refusal> {
    let file = File::find(&name).ok_or_else(|| Refusal::NotThere(format!("page {name} of the handbook")))?;
    // The first file unpacks all of them.
    let bytes = tokio::task::spawn_blocking(|| file.bytes()).await;
    let bytes = bytes.map_err(|error| Error::new(codes::BUG, "the handbook cannot be unpacked").because(error))?;
    let mut response = ([(header::CONTENT_TYPE, file.kind())], bytes).into_response();
    if file.is_named_by_content() {
        let forever = header::HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, forever);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use landfall_handbook::{FILES, PAGES};

    use super::*;
    use crate::testing::Site;

    #[tokio::test]
    async fn every_handbook_file_is_public() {
        let site = Site::begin().await;
        let visitor = site.visitor();
        let usual = visitor.get("/sign-in").await;
        for file in FILES {
            let path = format!("/handbook/{}", file.path);
            let reply = visitor.get(&path).await;
            assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, file.kind()), "{path}");
            let is_kept = reply.header("cache-control").ends_with(", immutable");
            assert_eq!(is_kept, file.is_named_by_content(), "{path}");
            assert_eq!(reply.header("content-security-policy"), usual.header("content-security-policy"), "{path}");
        }
        let reply = visitor.get("/handbook").await;
        assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, FIRST));
        let first = visitor.get(FIRST).await;
        assert!(first.body.contains("<main>"), "{}", first.body);
    }

    #[tokio::test]
    async fn unknown_pages_are_refused() {
        let site = Site::begin().await;
        let visitor = site.visitor();
        for name in
            ["nothing.html", "index", "..", "../console.db", "%2e%2e/console.db", "adr", "INDEX.html", "/index.html"]
        {
            let reply = visitor.get(&format!("/handbook/{name}")).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{name}: {}", reply.body);
        }
    }

    #[tokio::test]
    async fn pages_link_handbook() {
        let site = Site::begin().await;
        let refused = site.sign_in("vera").await.get("/no-such-page").await;
        assert!(refused.body.contains(FIRST), "{}", refused.body);
        let code = format!("href=\"{}\"", code_path(codes::NOT_THERE.id));
        assert!(refused.body.contains(&code), "{}", refused.body);
        assert!(site.visitor().get("/sign-in").await.body.contains(FIRST));
        let errors = File::find("ERRORS.html").expect("the page").bytes();
        let errors = std::str::from_utf8(errors).expect("text");
        for code in codes::ALL.iter() {
            assert!(errors.contains(&format!("id=\"{}\"", code.id)), "{} has no row", code.id);
        }
        assert!(PAGES.len() > 20);
    }
}
