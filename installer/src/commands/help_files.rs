//! Help files below `/usr/local/share` of a host with a site: manual pages, completions, and the handbook. An install
//! writes them, an upgrade replaces them, and an uninstall removes them.

use std::path::Path;

use clap_complete::Shell;
use landfall_media::durable::Batch;

use super::{completions, handbook, manuals};
use crate::failure::Failure;

/// Folder of the handbook, whose first page is `index.html`.
const HANDBOOK: &str = "doc/landfall";

/// Path of the completions for each shell.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/landfall"),
    (Shell::Zsh, "zsh/site-functions/_landfall"),
    (Shell::Fish, "fish/vendor_completions.d/landfall.fish"),
];

/// Writes all files into a folder that exists; they are on the disk on return.
pub(super) fn write(folder: &Path) -> Result<(), Failure> {
    let batch = Batch::begin(folder)?;
    for (name, bytes) in all()? {
        batch.write_file(&folder.join(name), &bytes, 0o644)?;
    }
    handbook::write(&batch, &folder.join(HANDBOOK))?;
    Ok(batch.commit()?)
}

/// All files outside the handbook, by path.
fn all() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = manuals::pages()?;
    for (name, _) in &mut files {
        name.insert_str(0, "man/man1/");
    }
    for (shell, path) in COMPLETIONS {
        files.push((path.to_owned(), completions::script(shell).into_bytes()));
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
        assert!(read("doc/landfall/index.html").contains("<main>"));
        assert!(read("doc/landfall/ERRORS.html").contains("LF4041"));
    }
}
