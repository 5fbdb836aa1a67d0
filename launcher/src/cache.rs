//! Location of the cache of everything that takes long to build.

use std::ffi::OsString;
use std::path::PathBuf;

/// Environment variable with the path of the cache folder, instead of `~/.cache/landfall`.
pub const VARIABLE: &str = "LANDFALL_CACHE";

/// Returns the cache folder: `$LANDFALL_CACHE`, else `$XDG_CACHE_HOME/landfall`, else `~/.cache/landfall`. Returns None
/// if the home folder is unknown. The folder may not exist yet.
pub fn root() -> Option<PathBuf> {
    root_from(|name| std::env::var_os(name))
}

/// Returns true if the cache has a folder for this kind of entry.
pub fn holds(kind: &str) -> bool {
    root().map_or(false, |root| root.join(kind).is_dir())
}

fn root_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = folder(VARIABLE) {
        // A relative path is relative to the folder in which the command was started.
        return Some(if named.is_absolute() { named } else { std::env::current_dir().ok()?.join(named) });
    }
    if let Some(caches) = folder("XDG_CACHE_HOME").filter(|path| path.is_absolute()) {
        return Some(caches.join("landfall"));
    }
    Some(folder("HOME")?.join(".cache").join("landfall"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn cache_variables_have_precedence() {
        let from = |set: &'static [(&'static str, &'static str)]| {
            root_from(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
        };
        assert_eq!(
            from(&[(VARIABLE, "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")]).as_deref(),
            Some(Path::new("/a"))
        );
        assert_eq!(from(&[("XDG_CACHE_HOME", "/b"), ("HOME", "/c")]).as_deref(), Some(Path::new("/b/landfall")));
        assert_eq!(from(&[("XDG_CACHE_HOME", "b"), ("HOME", "/c")]).as_deref(), Some(Path::new("/c/.cache/landfall")));
        assert_eq!(from(&[(VARIABLE, "")]), None);
    }
}
