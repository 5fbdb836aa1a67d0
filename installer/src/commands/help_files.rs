//! Help files below `/usr/local/share` of a host with a site: manual pages, completions, and the handbooks for
//! engineers and customers. An install writes them, an upgrade replaces them, and an uninstall removes them.

use std::path::Path;

use clap_complete::Shell;
use landfall_media::durable;

use super::{completions, errors, manuals};
use crate::failure::Failure;

/// Handbooks for a site.
const HANDBOOKS: [(&str, &str); 8] = [
    ("OPERATE.md", include_str!("../../../docs/OPERATE.md")),
    ("TROUBLE.md", include_str!("../../../docs/TROUBLE.md")),
    ("CONSOLE.md", include_str!("../../../docs/CONSOLE.md")),
    ("GPU.md", include_str!("../../../docs/GPU.md")),
    ("JSON.md", include_str!("../../../docs/JSON.md")),
    ("MODELS.md", include_str!("../../../docs/MODELS.md")),
    ("VARIABLES.md", include_str!("../../../docs/VARIABLES.md")),
    ("GLOSSARY.md", include_str!("../../../docs/GLOSSARY.md")),
];

/// Path of the completions for each shell.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/landfall"),
    (Shell::Zsh, "zsh/site-functions/_landfall"),
    (Shell::Fish, "fish/vendor_completions.d/landfall.fish"),
];

/// Writes all files into a folder.
pub(super) fn write(folder: &Path) -> Result<(), Failure> {
    for (name, bytes) in all()? {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), durable::create_folder)?;
        durable::write_file(&path, &bytes, 0o644)?;
    }
    Ok(())
}

/// All files, by path.
fn all() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = manuals::pages()?;
    for (name, _) in &mut files {
        name.insert_str(0, "man/man1/");
    }
    for (shell, path) in COMPLETIONS {
        files.push((path.to_owned(), completions::script(shell).into_bytes()));
    }
    let handbooks = HANDBOOKS.map(|(name, text)| (name, text.to_owned()));
    for (name, text) in handbooks.into_iter().chain([("ERRORS.md", errors::document())]) {
        files.push((format!("doc/landfall/{name}"), text.into_bytes()));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_files_are_complete() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| fs_err::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("man/man1/landfall-doctor.1").contains(".SH NAME"));
        for (_, path) in COMPLETIONS {
            assert!(read(path).contains("doctor"), "{path}");
        }
        assert!(read("doc/landfall/OPERATE.md").contains("landfall doctor"));
        assert!(read("doc/landfall/ERRORS.md").contains("LF4041"));
    }

    /// Links between handbooks work on the host.
    #[test]
    fn handbook_links_resolve() {
        let names: Vec<String> = all().unwrap().into_iter().map(|(name, _)| name).collect();
        for (name, text) in HANDBOOKS {
            let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            let is_page = |link: &str| Path::new(link).extension().is_some_and(|extension| extension == "md");
            let missing: Vec<_> = links
                .filter(|link| is_page(link) && !link.contains('/') && !["VENDOR.md", "FORMAT.md"].contains(link))
                .filter(|link| !names.iter().any(|name| *name == format!("doc/landfall/{link}")))
                .collect();
            assert!(missing.is_empty(), "{name}: {missing:?}");
        }
    }
}
