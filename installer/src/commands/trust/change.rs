//! `landfall trust init` and `rotate`: make the next, unsigned root document.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::trust::{KeyId, PublicKey, Role, Root, RootChange, UnsignedRoot, root_file_name};
use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use super::document::newest;
use crate::cli::{ForRole, RoleName, TrustInitArguments, TrustRotateArguments};
use crate::commands::key::write_new;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Document to be signed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RootDraft {
    /// File of the document.
    document: PathBuf,
    /// Number of the document.
    number: u64,
    /// True if the root document is for development only.
    development: bool,
}

impl Document for RootDraft {
    const KIND: &'static str = "rootDraft";
}

/// Makes root document 1.
pub(super) fn init(arguments: &TrustInitArguments, printer: Printer) -> Result<(), Failure> {
    let mut change = RootChange::first(arguments.development);
    apply(&mut change, &arguments.keys, &[], &arguments.thresholds)?;
    durable::create_folder(&arguments.output)?;
    write(change, &arguments.output, printer)
}

/// Makes the document after the newest one in the folder.
pub(super) fn rotate(arguments: &TrustRotateArguments, printer: Printer) -> Result<(), Failure> {
    let mut change = RootChange::following(&newest(&arguments.roots)?)?;
    apply(&mut change, &arguments.add, &arguments.remove, &arguments.thresholds)?;
    write(change, &arguments.roots, printer)
}

fn apply(change: &mut RootChange, add: &[ForRole], remove: &[ForRole], thresholds: &[ForRole]) -> Result<(), Failure> {
    for ForRole { role, what } in add {
        let key = public_key(Path::new(what))?;
        for role in roles(*role) {
            change.admit(role, &key);
        }
    }
    for ForRole { role, what } in remove {
        let id = key_id(what)?;
        let mut had = false;
        for role in roles(*role) {
            had |= change.dismiss(role, id);
        }
        if !had {
            let what = format!("the key {id} has no such role: nothing to remove");
            return Err(Failure::new(codes::TRUST_CHANGE_REFUSED, what));
        }
    }
    for ForRole { role, what } in thresholds {
        let bad = || Failure::new(codes::BAD_ARGUMENT, format!("the threshold `{what}` is not a number from 1"));
        let threshold: u64 = what.parse().ok().filter(|number| *number > 0).ok_or_else(bad)?;
        for role in roles(*role) {
            change.set_threshold(role, threshold);
        }
    }
    Ok(())
}

fn write(change: RootChange, folder: &Path, printer: Printer) -> Result<(), Failure> {
    let refused = |error: landfall_bundle_spec::Error| {
        Failure::new(codes::TRUST_CHANGE_REFUSED, "the root document cannot be made").because(&error)
    };
    let root: Root = change.finish().and_then(UnsignedRoot::draft).map_err(refused)?;
    let path = folder.join(root_file_name(root.number()));
    write_new(&path, root.bytes(), 0o644)?;
    let made = RootDraft { document: path, number: root.number(), development: root.development() };
    printer.report(&made, |made| {
        let path = made.document.display();
        format!(
            "root document {} is in {path}\nIt counts once enough keys have signed it: landfall trust sign {path}",
            made.number
        )
    })?;
    Ok(())
}

fn roles(name: RoleName) -> Vec<Role> {
    match name {
        RoleName::Root => vec![Role::Root],
        RoleName::Release => vec![Role::Release],
        RoleName::License => vec![Role::License],
        RoleName::Revocation => vec![Role::Revocation],
        RoleName::All => Role::ALL.to_vec(),
    }
}

fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let name = path.display().to_string();
    let pem = fs_err::read_to_string(path).map_err(|error| {
        Failure::new(codes::TRUST_CHANGE_REFUSED, format!("the public key {name} cannot be read")).because(&error)
    })?;
    Ok(PublicKey::from_pem(&name, &pem)?)
}

/// Parses a key ID, or computes that of the public key in a file.
fn key_id(text: &str) -> Result<KeyId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    Ok(public_key(Path::new(text))?.id())
}
