//! Files that pages load, part of the program. Their names carry a hash of their contents, so browsers may keep them without a limit.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::refusal::Refusal;

/// One file.
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

    /// Where browsers find it.
    pub fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// The design.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_bytes!("../../assets/console.css"))
});
/// htmx, which refreshes the live parts. See `assets/htmx.LICENSE`.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("htmx", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/htmx.min.js"))
});
/// Says so when the console itself no longer answers.
pub static OWN_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/console.js"))
});
/// Uploads a bundle, on the page that has a card for it.
pub static UPLOAD_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("upload", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/upload.js"))
});
/// Reads a file into a field, on the page of settings.
pub static SECRET_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("secret", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/secret.js"))
});
/// Opens the list of pages by a key.
pub static PALETTE_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("palette", "js", "text/javascript; charset=utf-8", include_bytes!("../../assets/palette.js"))
});
/// The picture in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")));

/// `GET /assets/{name}`. The name is compared, never opened.
pub async fn asset(Path(name): Path<String>) -> Result<Response, Refusal> {
    let all = [&STYLE, &SCRIPT, &OWN_SCRIPT, &UPLOAD_SCRIPT, &SECRET_SCRIPT, &PALETTE_SCRIPT, &ICON];
    let found = all.into_iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Refusal::NotThere(format!("file {name}")))?;
    let headers = [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.bytes).into_response())
}
