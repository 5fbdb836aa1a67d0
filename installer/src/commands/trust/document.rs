//! A root document or a revocation in a vendor's folder, with its required and present signatures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::trust::{KeyId, PublicKey, REVOCATION_FILE_NAME, Revocation, Role, Root, root_file_name};
use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Failure;

/// A document that several people sign.
pub(super) enum Content {
    Root(Root),
    Revocation(Revocation),
}

/// The document, its file, and the root documents whose keys sign it.
pub(super) struct Document {
    pub(super) path: PathBuf,
    pub(super) content: Content,
    /// Root documents whose thresholds must each be reached: the previous one and the document itself, or the newest.
    signers: Vec<Root>,
    role: Role,
}

/// Signatures of a root document's keys, present and required.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    /// Number of the root document.
    root: u64,
    /// The role whose keys sign.
    role: &'static str,
    /// Number of required signatures.
    threshold: u64,
    /// IDs of the keys that have signed.
    signed_by: Vec<String>,
    /// IDs of the keys that have not signed.
    not_yet: Vec<String>,
}

impl Progress {
    fn is_enough(&self) -> bool {
        self.signed_by.len() as u64 >= self.threshold
    }

    /// Text about the signatures.
    pub(super) fn line(&self) -> String {
        let Self { root, role, threshold, signed_by, not_yet } = self;
        let mut line = format!("root {root}, role {role}: signed by {} of {threshold}", signed_by.len());
        for (keys, what) in [(signed_by, "signed "), (not_yet, "not yet")] {
            for key in keys {
                let _infallible = write!(line, "\n  {what}  {key}");
            }
        }
        line
    }
}

impl Document {
    /// Reads the document and, from its folder, the root documents whose keys sign it.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_file(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == REVOCATION_FILE_NAME {
            let content = Content::Revocation(Revocation::read(&name, &bytes)?);
            return Ok(Self { path: path.to_owned(), content, signers: vec![newest(folder)?], role: Role::Revocation });
        }
        let root = Root::read(&name, &bytes)?;
        let mut signers = Vec::new();
        // The first document of a chain has no predecessor; any other one needs it here.
        if root.number() > 1 {
            signers.push(read_root(&folder.join(root_file_name(root.number() - 1)))?);
        }
        signers.push(root.clone());
        Ok(Self { path: path.to_owned(), content: Content::Root(root), signers, role: Role::Root })
    }

    /// Name of the document.
    pub(super) fn name(&self) -> String {
        match &self.content {
            Content::Root(root) => root_file_name(root.number()),
            Content::Revocation(_) => REVOCATION_FILE_NAME.to_owned(),
        }
    }

    /// Bytes to sign.
    pub(super) fn message(&self) -> &[u8] {
        match &self.content {
            Content::Root(root) => root.message(),
            Content::Revocation(revocation) => revocation.message(),
        }
    }

    /// Bytes of the document.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Root(root) => root.bytes(),
            Content::Revocation(revocation) => revocation.bytes(),
        }
    }

    fn signatures(&self) -> Vec<(KeyId, &[u8])> {
        match &self.content {
            Content::Root(root) => root.signatures(),
            Content::Revocation(revocation) => revocation.signatures(),
        }
    }

    /// Keys that may sign it.
    pub(super) fn may_sign(&self) -> Vec<PublicKey> {
        let keys = self.signers.iter().flat_map(|root| root.keys_of(self.role));
        keys.map(|key| (key.id(), key.clone())).collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// Adds a signature, which must already be verified with a key that may sign the document.
    pub(super) fn add(&mut self, key: KeyId, signature: &[u8]) -> Result<(), Failure> {
        match &mut self.content {
            Content::Root(root) => {
                let signed = root.with_signature(key, signature)?;
                if let Some(last) = self.signers.last_mut() {
                    *last = signed.clone();
                }
                *root = signed;
            }
            Content::Revocation(revocation) => *revocation = revocation.with_signature(key, signature)?,
        }
        Ok(())
    }

    /// Writes the document to its file, synced.
    pub(super) fn write(&self) -> Result<(), Failure> {
        Ok(durable::write_file(&self.path, self.bytes(), 0o644)?)
    }

    /// Signatures and missing keys, for each root document that must sign.
    pub(super) fn progress(&self) -> Result<Vec<Progress>, Failure> {
        let of = |root: &Root| {
            let signed = root.signers(self.role, &self.name(), self.message(), &self.signatures())?;
            let keys: BTreeSet<KeyId> = root.role(self.role).keys.iter().copied().collect();
            Ok(Progress {
                root: root.number(),
                role: self.role.name(),
                threshold: root.role(self.role).threshold,
                signed_by: signed.iter().map(ToString::to_string).collect(),
                not_yet: keys.difference(&signed).map(ToString::to_string).collect(),
            })
        };
        self.signers.iter().map(of).collect()
    }

    /// Returns true if enough keys have signed for every site to accept it.
    pub(super) fn is_complete(progress: &[Progress]) -> bool {
        progress.iter().all(Progress::is_enough)
    }
}

/// Reads a root document from a file.
pub(super) fn read_root(path: &Path) -> Result<Root, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Root::read(&name, &read_file(path)?)?)
}

/// Reads a revocation from a file.
pub(super) fn read_revocation(path: &Path) -> Result<Revocation, Failure> {
    Ok(Revocation::read(&path.display().to_string(), &read_file(path)?)?)
}

/// The root document with the highest number in a folder.
pub(super) fn newest(folder: &Path) -> Result<Root, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(codes::ROOT_MISSING, format!("the folder {} cannot be read", folder.display())).because(&error)
    };
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut numbers = Vec::new();
    for entry in fs_err::read_dir(here).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".root.json"));
        numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    let highest = numbers.into_iter().max().ok_or_else(|| {
        Failure::new(codes::ROOT_MISSING, format!("the folder {} holds no root document", here.display()))
    })?;
    read_root(&folder.join(root_file_name(highest)))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let what = || format!("{} cannot be read", path.display());
    fs_err::read(path).map_err(|error| Failure::new(codes::TRUST_CHANGE_REFUSED, what()).because(&error))
}
