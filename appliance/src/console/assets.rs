//! Files that pages load, embedded in the program. Their names contain a hash of their content, so browsers may cache
//! them without a limit.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::refusal::Refusal;

/// An embedded file.
pub struct Asset {
    name: String,
    kind: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let hash = hex::encode(Sha256::digest(bytes));
        Self { name: format!("{stem}.{}.{extension}", &hash[..16]), kind, bytes }
    }

    /// Returns its path for browsers.
    pub fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// Style sheet.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_bytes!("../../assets/console.css"))
});
/// htmx, which refreshes the live parts. See `assets/htmx.LICENSE`.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("htmx", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/htmx.min.js"))
});
/// Script that reports when the console itself no longer answers.
pub static OWN_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/console.js"))
});
/// Script that uploads a bundle, on the page with the upload card.
pub static UPLOAD_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("upload", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/upload.js"))
});
/// Script that reads a file into a field, on the page of settings.
pub static SECRET_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("secret", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/secret.js"))
});
/// Script that opens the list of pages by a key.
pub static PALETTE_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("palette", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/palette.js"))
});
/// Icon of the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")));

/// Handles `GET /assets/{name}`. The name is compared, never opened.
pub async fn asset(Path(name): Path<String>) -> Result<Response, Refusal> {
    let all = [&STYLE, &SCRIPT, &OWN_SCRIPT, &UPLOAD_SCRIPT, &SECRET_SCRIPT, &PALETTE_SCRIPT, &ICON];
    let found = all.into_iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Refusal::NotThere(format!("file {name}")))?;
    let headers = [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.bytes).into_response())
}
