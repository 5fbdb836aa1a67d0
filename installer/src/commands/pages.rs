//! Pages and scripts that a command writes in addition to its output.

use std::path::Path;

use askama::Template;
use landfall_error_codes::codes;
use landfall_media::durable;
use rustix::fs::Access;

use crate::failure::Failure;
use crate::printer::Printer;

/// Mode of the files, which contain no secrets, so that anyone may read them.
const FILE_MODE: u32 = 0o644;

/// Renders a page.
pub(super) fn render_page(page: &impl Template) -> Result<String, Failure> {
    page.render().map_err(|error| Failure::new(codes::BUG, "the page cannot be made").because(&error))
}

/// Returns an error for a path that cannot be written, before the work for it starts.
pub(super) fn refuse_unwritable(path: &Path) -> Result<(), Failure> {
    let refused = |what: String, next: &str| Err(Failure::new(codes::BAD_ARGUMENT, what).next(next));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if path.is_dir() {
        return refused(format!("{} is a folder", path.display()), "Name a file in that folder.");
    }
    if !folder.is_dir() {
        return refused(format!("the folder {} does not exist", folder.display()), "Make it, or correct the path.");
    }
    if let Err(error) = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        let what = format!("no file can be written into the folder {}", folder.display());
        let next = "Name a file in a folder into which you may write.";
        return Err(Failure::new(codes::BAD_ARGUMENT, what).because(&std::io::Error::from(error)).next(next));
    }
    Ok(())
}

/// Writes a page or a script to a requested file; it is synced to disk on return.
pub(super) fn write(path: &Path, text: &str, printer: Printer) -> Result<(), Failure> {
    durable::write_file(path, text.as_bytes(), FILE_MODE)?;
    printer.note(&format!("written: {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwritable_files_are_usage_errors() {
        let folder = tempfile::tempdir().unwrap();
        let next = |path: &Path| {
            let refused = refuse_unwritable(path).unwrap_err();
            assert_eq!(refused.code(), codes::BAD_ARGUMENT);
            refused.next_step().to_owned()
        };
        assert_eq!(next(folder.path()), "Name a file in that folder.");
        assert_eq!(next(&folder.path().join("nope/page.html")), "Make it, or correct the path.");
        refuse_unwritable(&folder.path().join("page.html")).unwrap();
        refuse_unwritable(Path::new("page.html")).unwrap();
    }
}
