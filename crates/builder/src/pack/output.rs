//! Checks that a bundle can be written to its output, before fetching and packing, which may take hours.

use std::path::Path;

use landfall_error_codes::codes;
use rustix::fs::{Access, access};

use crate::error::{BuildError, Place, Result};
use crate::options::BuildOutput;

/// Returns an error if the output is not a folder and cannot become one, or if this process may not write to it.
pub fn check(output: &BuildOutput<'_>) -> Result<()> {
    let BuildOutput::Folder { path, .. } = output else { return Ok(()) };
    let nearest = existing_parent(path);
    let refused = |what: &str| BuildError::at(codes::OUTPUT_REFUSED, Place::file(path), what);
    if !nearest.is_dir() {
        let what =
            if nearest == path { "it is no folder".into() } else { format!("{} is no folder", nearest.display()) };
        return Err(refused(&what));
    }
    let what = format!("nothing can be written in {}", nearest.display());
    access(nearest, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| refused(&what).because(error))
}

/// The folder, or its nearest existing ancestor.
pub(super) fn existing_parent(folder: &Path) -> &Path {
    let mut ancestors = folder.ancestors();
    ancestors.find(|path| !path.as_os_str().is_empty() && path.exists()).unwrap_or(Path::new("."))
}
