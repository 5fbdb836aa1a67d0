//! The root of the tests' vendor: two of three keys sign, and it was rotated a hundred times before anything was built.
//! A site that was given the fingerprint of document 1 walks all of them. Later releases bring newer ones.
#![expect(clippy::disallowed_methods, reason = "files of the tests, which end with them")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use landfall_bundle_spec::trust::{KeyKind, Role, Root, RootChange, SigningKey, UnsignedRoot, root_file_name};
use landfall_tests::vendor::{KEY_PASSWORD, Vendor};

/// How often the root was rotated.
const ROTATIONS: u64 = 100;

/// The number of the newest document.
const NEWEST: u64 = ROTATIONS + 1;

/// How often it is rotated once more before later releases are built.
const LATER_ROTATIONS: u64 = 3;

/// Fingerprint of the newest document.
pub(crate) fn newest(vendor: &Vendor) -> Result<String> {
    Ok(root(vendor, NEWEST)?.fingerprint().to_string())
}

/// What later releases are signed with.
pub(crate) struct Later {
    /// The key that must sign with the vendor's own.
    pub(crate) key: PathBuf,
    /// Fingerprint of the newest document.
    pub(crate) newest: String,
}

/// Rotates the root of a vendor further, who has the keys of the one above: each time a key is admitted, and none leaves.
pub(crate) fn rotate_further(vendor: &Vendor) -> Result<Later> {
    let folder = vendor.keys();
    let [own, second] = ["cosign.key", "second.key"].map(|name| key(&folder.join(name)));
    let (own, second) = (own?, second?);
    let path = folder.join("later.key");
    let mut root = root(vendor, NEWEST)?;
    for number in NEWEST + 1..=NEWEST + LATER_ROTATIONS {
        let new = SigningKey::generate(KeyKind::EcdsaP256)?;
        write(&path, new.to_encrypted_pem(KEY_PASSWORD.as_bytes())?.as_bytes())?;
        let mut change = RootChange::following(&root)?;
        for role in Role::ALL {
            change.admit(role, new.public());
        }
        root = signed(change.finish()?, [&own, &second], &root)?;
        write(&folder.join(root_file_name(number)), root.bytes())?;
    }
    Ok(Later { key: path, newest: root.fingerprint().to_string() })
}

/// Rotates the vendor's root unless that was done. Returns the key that must sign bundles with the vendor's own.
pub(crate) fn rotate(vendor: &Vendor) -> Result<PathBuf> {
    let folder = vendor.keys();
    let second = folder.join("second.key");
    // The newest document comes last.
    if folder.join(root_file_name(NEWEST)).exists() {
        return Ok(second);
    }
    let own = key(&folder.join("cosign.key"))?;
    let mut root = root(vendor, 1)?;
    // The vendor's own key stays. Of the two others, the oldest goes with each rotation.
    let mut others: Vec<SigningKey> = Vec::new();
    for number in 2..=NEWEST {
        let new = SigningKey::generate(KeyKind::EcdsaP256)?;
        if number == NEWEST {
            write(&second, new.to_encrypted_pem(KEY_PASSWORD.as_bytes())?.as_bytes())?;
        }
        let mut change = RootChange::following(&root)?;
        for role in Role::ALL {
            change.admit(role, new.public());
            if let [oldest, _] = &others[..] {
                ensure!(change.dismiss(role, oldest.public().id()), "the oldest key is not in document {}", number - 1);
            }
            change.set_threshold(role, 2);
        }
        // The last of the others is in the document before and in this one.
        let signer = others.last().unwrap_or(&new);
        root = signed(change.finish()?, [&own, signer], &root)?;
        if others.len() == 2 {
            others.remove(0);
        }
        others.push(new);
        write(&folder.join(root_file_name(number)), root.bytes())?;
    }
    Ok(second)
}

fn signed(mut unsigned: UnsignedRoot, signers: [&SigningKey; 2], previous: &Root) -> Result<Root> {
    for key in signers {
        unsigned.sign(key)?;
    }
    Ok(unsigned.finish(Some(previous))?)
}

fn key(path: &Path) -> Result<SigningKey> {
    Ok(SigningKey::from_encrypted_pem(&read(path)?, KEY_PASSWORD.as_bytes())?)
}

fn root(vendor: &Vendor, number: u64) -> Result<Root> {
    let name = root_file_name(number);
    Ok(Root::read(&name, &read(&vendor.keys().join(&name))?)?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
