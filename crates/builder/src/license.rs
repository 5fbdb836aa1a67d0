//! `landfall license issue`: creates a license from its description and signs it with keys of the license role, like a
//! bundle.

use std::path::PathBuf;

use landfall_bundle_spec::trust::{Revocation, Role, SigningKey};
use landfall_error_codes::codes;
use landfall_license::{SealedLicense, UnsignedLicense, describe};

use crate::documents::text;
use crate::error::Result;
use crate::pack::{check_signers, read_trust};
use crate::signing;

/// Inputs of a license.
#[derive(Debug, Clone)]
pub struct IssueOptions {
    /// Path of the description, in YAML.
    pub description: PathBuf,
    /// Folder with the vendor's root documents and, if present, its revocation; all of them go into the bundle.
    pub roots: PathBuf,
    /// Commands that sign in addition to the keys.
    pub sign_commands: Vec<String>,
    /// Time of issue.
    pub issued: jiff::Timestamp,
}

/// Creates a license, signed with each of the keys and commands, and verified against the newest root document. Writes
/// nothing.
pub fn issue(options: &IssueOptions, keys: &[SigningKey]) -> Result<SealedLicense> {
    let trust = read_trust(&options.roots)?;
    let newest = trust.newest();
    check_signers(&options.roots, newest, Role::License, keys, options.sign_commands.len())?;
    let description = text(&options.description, codes::LICENSE_DESCRIPTION)?;
    let number = trust.revocation.as_ref().map_or(0, Revocation::number);
    let terms = describe(&options.description.display().to_string(), &description, options.issued, number)?;
    let mut license = UnsignedLicense::new(&terms)?;
    keys.iter().try_for_each(|key| license.sign(key))?;
    for command in &options.sign_commands {
        let may_sign = newest.keys_of(Role::License).cloned();
        let (key, signature) = signing::sign_by_command(command, license.name(), license.message(), may_sign)?;
        license.add_signature(key, signature);
    }
    Ok(license.finish(&trust.roots, trust.revocation.as_ref())?)
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::trust::{KeyKind, Root, RootContents, TrustAnchor, UnsignedRoot};
    use landfall_error_codes::CodedError;
    use landfall_media::durable;

    use super::*;

    const DESCRIPTION: &str = "id: acme-1\nvendor: V\ncustomer: C\ncontact: a@b\nrelease: starter\nends: 2099-01-01\n\
                               entitlements: {components: [assistant]}\n";

    /// A folder with a root whose license role has two keys and requires both.
    fn folder(keys: &[&SigningKey; 2]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().expect("folder");
        let mut contents = RootContents::single(keys[0].public(), true);
        contents.license = (keys.iter().map(|key| key.public().clone()).collect(), 2);
        let mut root = UnsignedRoot::new(&contents).expect("root");
        root.sign(keys[0]).expect("signature");
        let root = root.finish(None).expect("root");
        let file = |name: &str, bytes: &[u8]| {
            durable::write_file(&folder.path().join(name), bytes, 0o644).expect("file");
        };
        file("1.root.json", root.bytes());
        file("acme.yaml", DESCRIPTION.as_bytes());
        (folder, root)
    }

    #[test]
    fn license_meets_key_threshold() {
        let [one, two] = [(); 2].map(|()| SigningKey::generate(KeyKind::Ed25519).expect("key"));
        let (folder, root) = folder(&[&one, &two]);
        let options = IssueOptions {
            description: folder.path().join("acme.yaml"),
            roots: folder.path().to_owned(),
            sign_commands: Vec::new(),
            issued: "2026-11-22T10:00:00Z".parse().expect("time"),
        };
        let refused = issue(&options, std::slice::from_ref(&one)).expect_err("one of two");
        assert_eq!(refused.code(), codes::SIGNING_REFUSED);
        assert!(refused.to_string().contains("asks for 2 keys to sign a license, 1 given"), "{refused}");
        let sealed = issue(&options, &[one, two]).expect("license");
        let license = sealed.verify(&TrustAnchor::Root(root.bytes().to_vec())).expect("verified");
        assert!(license.grants("assistant"));
        assert_eq!(license.signers().len(), 2);
    }
}
