//! Names and versions of npm packages, and the paths that follow from them.

/// The longest name, and the longest version, in bytes.
const NAME_BYTES: usize = 214;
const VERSION_BYTES: usize = 256;

/// The path of a package's tarball, such as `@scope/name/-/name-1.0.0.tgz`; the error says why there is none.
pub fn tarball(name: &str, version: &str) -> Result<String, String> {
    let plain = name.strip_prefix('@').map_or(Some(name), |scoped| {
        let (scope, name) = scoped.split_once('/')?;
        is_part(scope).then_some(name)
    });
    let Some(plain) = plain.filter(|plain| is_part(plain) && name.len() <= NAME_BYTES) else {
        return Err(format!("`{}` is not the name of a package", name.escape_default()));
    };
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
    if !(1..=VERSION_BYTES).contains(&version.len()) || !version.bytes().all(usual) {
        return Err(format!("`{}` is not a version", version.escape_default()));
    }
    Ok(format!("{name}/-/{plain}-{version}.tgz"))
}

/// Whether a text is a scope or a name without one: no path, and no escape.
fn is_part(text: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(usual)
}
