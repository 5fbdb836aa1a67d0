//! The root of the tests' vendor. Every role has three keys of its own, two of which sign. It was rotated a hundred
//! times before anything was built, and a site that was given the fingerprint of document 1 processes all documents.
//! Later releases include newer documents, and one of their keys is also newer.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use landfall_bundle_spec::trust::{
    KeyKind, PublicKey, Role, Root, RootChange, SigningKey, UnsignedRoot, root_file_name,
};
use landfall_xtask::vendor::{KEY_PASSWORD, Vendor};
use serde_json::{Value, json};

/// Number of rotations of the root.
const ROTATIONS: u64 = 100;

/// Number of the newest document.
const NEWEST: u64 = ROTATIONS + 1;

/// Number of additional rotations before later releases are built.
const LATER_ROTATIONS: u64 = 3;

/// Number of keys of a role that sign.
const THRESHOLD: usize = 2;

/// Roles whose keys sign something after the rotations. Only these keys are stored, because encrypting each takes time.
const STORED: [Role; 4] = [Role::Root, Role::Release, Role::Revocation, Role::License];

/// Returns the files of the two keys of a role that sign under the newest document.
pub(crate) fn key_files(keys: &Path, role: Role) -> [PathBuf; THRESHOLD] {
    let names = match role {
        // The tests' vendor signs every bundle with the first one.
        Role::Release => ["cosign.key".to_owned(), "second.key".to_owned()],
        _ => ["first", "second"].map(|name| format!("{}-{name}.key", role.name())),
    };
    names.map(|name| keys.join(name))
}

/// Returns the fingerprint of the newest document.
pub(crate) fn newest(vendor: &Vendor) -> Result<String> {
    Ok(root(&vendor.keys(), NEWEST)?.fingerprint().to_string())
}

/// Rotates the vendor's root unless that was done. Returns the key that must sign bundles together with the vendor's
/// own.
pub(crate) fn rotate(vendor: &Vendor) -> Result<PathBuf> {
    let folder = vendor.keys();
    let [_, second] = key_files(&folder, Role::Release);
    let is_stored = STORED.iter().flat_map(|role| key_files(&folder, *role)).all(|key| key.exists());
    // The newest document is written last. Documents without keys of each role belong to another vendor.
    if folder.join(root_file_name(NEWEST)).exists() && is_stored {
        return Ok(second);
    }
    remove_documents(&folder)?;
    let mut roots = Roots::first()?;
    let mut documents = vec![roots.newest.clone()];
    for _ in 0..ROTATIONS {
        roots.rotate()?;
        documents.push(roots.newest.clone());
    }
    roots.store_keys(&folder, &STORED)?;
    documents.iter().try_for_each(|document| store(&folder, document))?;
    Ok(second)
}

/// Rotates the root of a vendor further; the vendor needs the documents and keys made by [`rotate`]. Each time, the
/// third release key is replaced. The two keys that signed the starter stay, so that its signatures are valid under
/// every document. The newest key then replaces the stored second one. Returns the fingerprint of the newest document.
pub(crate) fn rotate_further(vendor: &Vendor) -> Result<String> {
    let folder = vendor.keys();
    let (of_root, of_releases) = (stored_keys(&folder, Role::Root)?, stored_keys(&folder, Role::Release)?);
    let [_, second] = key_files(&folder, Role::Release);
    let mut newest = root(&folder, NEWEST)?;
    for number in 1..=LATER_ROTATIONS {
        let mut change = RootChange::following(&newest)?;
        let key = replace_in(&mut change, &newest, Role::Release, &of_releases)?;
        newest = sign_root(change.finish()?, &of_root, Some(&newest))?;
        store(&folder, &newest)?;
        if number == LATER_ROTATIONS {
            store_key(&second, &key)?;
        }
    }
    Ok(newest.fingerprint().to_string())
}

/// Fails unless the bundle of this `inspect` is signed by two release keys of the newest document, and no key has two
/// roles.
pub(crate) fn expect_signed_by_release_keys(vendor: &Vendor, inspection: &Value) -> Result<()> {
    let newest = root(&vendor.keys(), NEWEST)?;
    let ids = |role| newest.keys_of(role).map(|key| key.id().to_string());
    let all: BTreeSet<String> = Role::ALL.into_iter().flat_map(ids).collect();
    ensure!(all.len() == 3 * Role::ALL.len(), "document {NEWEST} has {} keys", all.len());
    let of_releases: BTreeSet<String> = ids(Role::Release).collect();
    let signers = inspection["signedBy"].as_array().context("nothing signed the bundle")?;
    let is_of_releases = |id: &Value| id.as_str().is_some_and(|id| of_releases.contains(id));
    ensure!(
        signers.len() == THRESHOLD && signers.iter().all(is_of_releases),
        "signed by {}, not by two of {}",
        inspection["signedBy"],
        json!(of_releases)
    );
    Ok(())
}

/// The newest root document, and the keys that can rotate it.
struct Roots {
    newest: Root,
    /// The two keys of each role that stay in the next rotation, oldest first. Only these sign.
    staying: [(Role, Vec<SigningKey>); 4],
}

impl Roots {
    /// Creates document 1, with three keys for each role.
    fn first() -> Result<Self> {
        let mut change = RootChange::first(true);
        let mut staying = Role::ALL.map(|role| (role, Vec::new()));
        for (role, keys) in &mut staying {
            let leaving = generate()?;
            keys.extend([generate()?, generate()?]);
            for key in [&leaving, &keys[0], &keys[1]] {
                change.admit(*role, key.public());
            }
            change.set_threshold(*role, THRESHOLD as u64);
        }
        let newest = sign_root(change.finish()?, keys_of(&staying, Role::Root)?, None)?;
        Ok(Self { newest, staying })
    }

    /// Creates the next document: in each role, a new key is added, and one that does not stay is removed. Two keys of
    /// the root role sign, which both documents have.
    fn rotate(&mut self) -> Result<()> {
        let mut change = RootChange::following(&self.newest)?;
        let mut new_keys = Vec::new();
        for (role, staying) in &self.staying {
            new_keys.push(replace_in(&mut change, &self.newest, *role, staying)?);
        }
        self.newest = sign_root(change.finish()?, keys_of(&self.staying, Role::Root)?, Some(&self.newest))?;
        for ((_, staying), new) in self.staying.iter_mut().zip(new_keys) {
            staying.push(new);
            if staying.len() > THRESHOLD {
                staying.remove(0);
            }
        }
        Ok(())
    }

    /// Writes the keys of these roles that stay.
    fn store_keys(&self, folder: &Path, roles: &[Role]) -> Result<()> {
        for role in roles {
            let keys = keys_of(&self.staying, *role)?;
            for (path, key) in key_files(folder, *role).iter().zip(keys) {
                store_key(path, key)?;
            }
        }
        let [own, _] = keys_of(&self.staying, Role::Release)?;
        write(&folder.join("cosign.pub"), own.public().to_pem().as_bytes())
    }
}

/// Returns the keys of a role that sign.
fn keys_of(staying: &[(Role, Vec<SigningKey>)], role: Role) -> Result<&[SigningKey; THRESHOLD]> {
    let keys = staying.iter().find(|(of, _)| *of == role).and_then(|(_, keys)| keys.as_slice().try_into().ok());
    keys.with_context(|| format!("too few keys of the role {} stay", role.name()))
}

/// Gives a new key this role, and removes it from the one key of the previous document that does not stay. Returns the
/// new key.
fn replace_in(change: &mut RootChange, before: &Root, role: Role, staying: &[SigningKey]) -> Result<SigningKey> {
    let stays = |id| staying.iter().any(|key| key.public().id() == id);
    let leaving: Vec<_> = before.keys_of(role).map(PublicKey::id).filter(|id| !stays(*id)).collect();
    let [leaving] = leaving[..] else { bail!("{} keys of the role {} leave", leaving.len(), role.name()) };
    ensure!(change.dismiss(role, leaving), "the removed key does not have the role {}", role.name());
    let new = generate()?;
    change.admit(role, new.public());
    Ok(new)
}

fn generate() -> Result<SigningKey> {
    Ok(SigningKey::generate(KeyKind::EcdsaP256)?)
}

fn sign_root(mut unsigned: UnsignedRoot, signers: &[SigningKey; THRESHOLD], previous: Option<&Root>) -> Result<Root> {
    for key in signers {
        unsigned.sign(key)?;
    }
    Ok(unsigned.finish(previous)?)
}

fn stored_keys(folder: &Path, role: Role) -> Result<[SigningKey; THRESHOLD]> {
    let [first, second] = key_files(folder, role);
    let key = |path: &Path| anyhow::Ok(SigningKey::from_encrypted_pem(&read(path)?, KEY_PASSWORD.as_bytes())?);
    Ok([key(&first)?, key(&second)?])
}

fn store_key(path: &Path, key: &SigningKey) -> Result<()> {
    write(path, key.to_encrypted_pem(KEY_PASSWORD.as_bytes())?.as_bytes())
}

fn root(folder: &Path, number: u64) -> Result<Root> {
    let name = root_file_name(number);
    Ok(Root::read(&name, &read(&folder.join(&name))?)?)
}

fn store(folder: &Path, root: &Root) -> Result<()> {
    write(&folder.join(root_file_name(root.number())), root.bytes())
}

/// Removes all root documents of a folder.
fn remove_documents(folder: &Path) -> Result<()> {
    for document in super::fixture::files_with(folder, |name| name.ends_with(".root.json"))? {
        std::fs::remove_file(&document).with_context(|| format!("cannot remove {}", document.display()))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
