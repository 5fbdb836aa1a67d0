//! The chain of root documents that goes into every bundle, and the revocation.

use std::collections::BTreeSet;
use std::path::Path;

use landfall_bundle_spec::trust::{REVOCATION_FILE_NAME, Revocation, Role, Root, SigningKey, root_file_name};
use landfall_error_codes::codes;

use crate::error::{BuildError, Place, Result};

/// The parts of a vendor's trust that go into the bundle.
#[derive(Debug)]
pub struct Trust {
    /// Root documents from the lowest number in the folder to the highest, without a gap; never empty.
    pub roots: Vec<Root>,
    /// The vendor's revocation, if the folder contains one.
    pub revocation: Option<Revocation>,
}

impl Trust {
    /// The newest root document, whose keys sign.
    pub fn newest(&self) -> &Root {
        &self.roots[self.roots.len() - 1]
    }
}

/// Reads every `N.root.json` of a folder and `revocation.json`, and verifies their signatures, so that sites that trust
/// any of these roots accept the bundle.
pub fn read_trust(folder: &Path) -> Result<Trust> {
    let roots = read_roots(folder)?;
    let path = folder.join(REVOCATION_FILE_NAME);
    let revocation = match fs_err::read(&path) {
        Ok(bytes) => Some(Revocation::read(REVOCATION_FILE_NAME, &bytes)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(&path, error)),
    };
    let trust = Trust { roots, revocation };
    if let Some(revocation) = &trust.revocation {
        let incomplete = |error| incomplete(&path, "is not signed by enough keys of the newest root document", error);
        revocation.verify(trust.newest()).map_err(incomplete)?;
    }
    Ok(trust)
}

fn read_roots(folder: &Path) -> Result<Vec<Root>> {
    let numbers = numbers(folder)?;
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        let what = format!("there is neither {} nor a later root document", root_file_name(1));
        return Err(BuildError::at(codes::SIGNING_REFUSED, Place::file(folder), what));
    };
    let mut roots: Vec<Root> = Vec::new();
    for number in *first..=*last {
        let name = root_file_name(number);
        let path = folder.join(&name);
        let bytes = fs_err::read(&path).map_err(|error| unreadable(&path, error))?;
        let root = Root::read(&name, &bytes)?;
        if root.number() != number {
            let what = format!("is root document {}", root.number());
            return Err(BuildError::at(codes::SIGNING_REFUSED, Place::file(&path), what));
        }
        let what = "is not signed by enough root keys of itself and of the document before";
        root.check_complete(roots.last()).map_err(|error| incomplete(&path, what, error))?;
        roots.push(root);
    }
    Ok(roots)
}

/// Numbers of the root documents in a folder, ascending.
fn numbers(folder: &Path) -> Result<BTreeSet<u64>> {
    let entries = fs_err::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let number = |name: &String| {
        let number = name.strip_suffix(".root.json")?.parse().ok()?;
        (root_file_name(number) == *name).then_some(number)
    };
    Ok(names.filter_map(|name| number(&name)).collect())
}

/// Checks that the newest root lists the given keys for a role, and that they can reach the threshold together with the
/// commands. The key of a command is known only after it has signed.
pub fn check_signers(folder: &Path, newest: &Root, role: Role, keys: &[SigningKey], commands: usize) -> Result<()> {
    let refused =
        |what: String| Err(BuildError::at(codes::SIGNING_REFUSED, Place::file(&folder.join(newest.name())), what));
    let of = role.name();
    let role = newest.role(role);
    let ids: BTreeSet<_> = keys.iter().map(|key| key.public().id()).collect();
    if let Some(id) = ids.iter().find(|id| newest.key(**id).is_none() || !role.keys.contains(*id)) {
        return refused(format!("does not name the key {id} for the role {of}"));
    }
    let given = ids.len() + commands;
    if (given as u64) < role.threshold {
        return refused(format!("asks for {} keys to sign a {of}, {given} given", role.threshold));
    }
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> BuildError {
    BuildError::at(codes::SIGNING_REFUSED, Place::file(path), "cannot be read").because(error)
}

fn incomplete(path: &Path, what: &str, error: landfall_bundle_spec::Error) -> BuildError {
    BuildError::at(codes::TRUST_INCOMPLETE, Place::file(path), what).because(error)
}
