//! The chain of root documents that travels with every bundle.

use std::collections::BTreeSet;
use std::path::Path;

use landfall_bundle_spec::trust::{Role, Root, SigningKey, root_file_name};
use landfall_error_codes::codes;

use crate::error::{BuildError, Place, Result};

/// Reads `1.root.json`, `2.root.json` and on from a folder, and checks that the newest names the keys for releases,
/// and that they are as many as it asks for.
pub fn read_roots(folder: &Path, keys: &[SigningKey]) -> Result<Vec<Root>> {
    let mut roots = Vec::new();
    for number in 1.. {
        let name = root_file_name(number);
        let path = folder.join(&name);
        let bytes = match fs_err::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && number > 1 => break,
            Err(error) => {
                let what = "the root document cannot be read";
                return Err(BuildError::at(codes::SIGNING_REFUSED, Place::file(&path), what).because(error));
            }
        };
        roots.push(Root::read(&name, &bytes)?);
    }
    let newest = roots.last().ok_or_else(|| BuildError::new(codes::BUG, "there is no root document"))?;
    let refused =
        |what: String| Err(BuildError::at(codes::SIGNING_REFUSED, Place::file(&folder.join(newest.name())), what));
    let role = newest.role(Role::Release);
    let ids: BTreeSet<_> = keys.iter().map(|key| key.public().id()).collect();
    if let Some(id) = ids.iter().find(|id| newest.key(**id).is_none() || !role.keys.contains(*id)) {
        return refused(format!("does not name the key {id} for releases"));
    }
    if (ids.len() as u64) < role.threshold {
        return refused(format!("asks for {} keys to sign a release, {} given", role.threshold, ids.len()));
    }
    Ok(roots)
}
