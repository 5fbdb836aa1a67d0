//! Files of a package in a project lock.

use landfall_error_codes::codes;
use landfall_packages::WheelName;
use percent_encoding::percent_decode_str;

use super::super::index::sha256;
use super::super::index::{IndexFile, is_size};
use super::super::requirements::Refusal;

/// A file as listed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct File<'a> {
    /// Name, if stated in addition to the URL.
    pub(super) name: Option<&'a str>,
    pub(super) url: Option<&'a str>,
    /// Hexadecimal digits of its SHA-256.
    pub(super) sha256: Option<&'a str>,
    pub(super) size: Option<u64>,
}

/// Converts a file to its listed form. Returns an error for a file without URL, which is local to a machine.
pub(super) fn to_index_file(file: File<'_>) -> Result<IndexFile, Refusal> {
    let unreadable = |what: String| (codes::PROJECT_LOCK_UNREADABLE, what);
    let Some(address) = file.url else {
        let what = "has a file that is a path of one machine, which no index has".to_owned();
        return Err((codes::REQUIREMENT_ELSEWHERE, what));
    };
    let file_name = file.name.map_or_else(|| name_of(address), str::to_owned);
    let shown = || file_name.escape_default();
    if let Some(size) = file.size.filter(|size| !is_size(*size)) {
        return Err(unreadable(format!("states {size} bytes for `{}`", shown())));
    }
    let digest = file.sha256.map(|digits| {
        sha256(digits)
            .ok_or_else(|| unreadable(format!("states no SHA-256 for `{}`: `{}`", shown(), digits.escape_default())))
    });
    Ok(IndexFile {
        sha256: digest.transpose()?,
        address: address.to_owned(),
        size: file.size,
        requires_python: None,
        is_yanked: false,
        file_name,
    })
}

/// Digits of a hash in the form `sha256:…`; `None` for another algorithm.
pub(super) fn digits(hash: &str) -> Option<&str> {
    hash.strip_prefix("sha256:")
}

/// Returns true if a URL ends with the name of a wheel.
pub(super) fn is_wheel(address: &str) -> bool {
    WheelName::read(&name_of(address)).is_ok()
}

/// Last part of a URL, decoded: local versions contain `+`, which many servers encode.
fn name_of(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}
