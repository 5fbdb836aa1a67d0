//! Names and versions of npm packages, and the paths that follow from them.

use landfall_packages::npm::{is_name, is_version, tarball_of};

/// Path of a package's tarball, such as `@scope/name/-/name-1.0.0.tgz`. Returns an error text for a name or version
/// that an index would refuse later.
pub fn tarball(name: &str, version: &str) -> Result<String, String> {
    if !is_name(name) {
        return Err(format!("`{}` is not the name of a package", name.escape_default()));
    }
    if !is_version(version) {
        return Err(format!("`{}` is not a version", version.escape_default()));
    }
    Ok(tarball_of(name, version))
}
