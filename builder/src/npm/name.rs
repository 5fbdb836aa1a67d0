//! Names and versions of npm packages, and the paths that follow from them.

use landfall_packages::limits::{NPM_NAME_BYTES, NPM_VERSION_BYTES};
use landfall_packages::npm::tarball_of;

/// The path of a package's tarball, such as `@scope/name/-/name-1.0.0.tgz`; the error says why there is none.
pub fn tarball(name: &str, version: &str) -> Result<String, String> {
    let plain = name.strip_prefix('@').map_or(Some(name), |scoped| {
        let (scope, name) = scoped.split_once('/')?;
        is_part(scope).then_some(name)
    });
    if !plain.is_some_and(|plain| is_part(plain) && name.len() <= NPM_NAME_BYTES) {
        return Err(format!("`{}` is not the name of a package", name.escape_default()));
    }
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
    if !(1..=NPM_VERSION_BYTES).contains(&version.len()) || !version.bytes().all(usual) {
        return Err(format!("`{}` is not a version", version.escape_default()));
    }
    Ok(tarball_of(name, version))
}

/// Whether a text is a scope or a name without one: no path, and no escape.
fn is_part(text: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(usual)
}
