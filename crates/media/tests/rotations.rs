//! A hundred rotations of a root whose roles have separate keys. Two of three keys sign, and a separate bundle carries
//! each rotation to a site.

use std::path::Path;

use landfall_bundle_spec::sample::Sample;
use landfall_bundle_spec::trust::{KeyKind, Role, Root, RootChange, SigningKey, TrustAnchor, UnsignedRoot};
use landfall_bundle_spec::{Error, Verified};
use landfall_error_codes::CodedError;
use landfall_media::bundle::locate;
use landfall_media::counters::Counters;
use landfall_media::progress::SilentProgress;
use landfall_media::{Payload, durable, verify};

const ROTATIONS: usize = 100;

/// The keys of each role, in the order in which the role got them.
struct Keys([(Role, Vec<SigningKey>); 4]);

impl Keys {
    fn new() -> Self {
        let generate = |_| SigningKey::generate(KeyKind::Ed25519).expect("key");
        Self(Role::ALL.map(|role| (role, (0..ROTATIONS + 4).map(generate).collect())))
    }

    /// Returns the three keys of a role in a root document. Each rotation drops the oldest key and adds a new one.
    fn of(&self, role: Role, number: usize) -> &[SigningKey] {
        let (_, keys) = self.0.iter().find(|(of, _)| *of == role).expect("every role has keys");
        &keys[number - 1..number + 2]
    }
}

fn sign_root(unsigned: UnsignedRoot, signers: &[SigningKey], previous: Option<&Root>) -> Root {
    let mut unsigned = unsigned;
    for key in signers {
        unsigned.sign(key).expect("signature");
    }
    unsigned.finish(previous).expect("a root that may follow")
}

fn first(keys: &Keys) -> Root {
    let mut change = RootChange::first(true);
    for role in Role::ALL {
        for key in keys.of(role, 1) {
            change.admit(role, key.public());
        }
        change.set_threshold(role, 2);
    }
    sign_root(change.finish().expect("root 1"), &keys.of(Role::Root, 1)[..2], None)
}

fn next(before: &Root, keys: &Keys, number: usize) -> Root {
    let mut change = RootChange::following(before).expect("a change");
    for role in Role::ALL {
        change.admit(role, keys.of(role, number)[2].public());
        assert!(change.dismiss(role, keys.of(role, number - 1)[0].public().id()));
    }
    // Both keys are in the previous document and in this one, so two signatures meet both thresholds.
    sign_root(change.finish().expect("a root"), &keys.of(Role::Root, number)[..2], Some(before))
}

/// Returns a bundle with this chain, signed by two release keys of the newest root.
fn bundle(chain: &[Root], keys: &Keys) -> Sample {
    let number = usize::try_from(chain[chain.len() - 1].number()).expect("a small number");
    let signers = keys.of(Role::Release, number);
    Sample::signed_by(&[&signers[1], &signers[2]], chain, vec![vec![7; 600]]).expect("a bundle")
}

/// Goes from a file to a bundle whose every byte is verified.
fn read(path: &Path, trusted: &Root) -> Result<Verified, Error> {
    let located = locate(path).expect("a bundle");
    let verified = Verified::read(located.head().expect("a head"), &TrustAnchor::Root(trusted.bytes().to_vec()))?;
    let media = located.assemble(Payload::from(verified.clone()), Counters::new()).expect("all parts");
    verify::verify(&media, "verifying", &SilentProgress).expect("every byte");
    Ok(verified)
}

#[test]
fn hundred_rotations_reach_site() {
    let keys = Keys::new();
    let folder = tempfile::tempdir().expect("a folder");
    let mut chain = vec![first(&keys)];
    // A site that sees every bundle pins the newest root each time.
    let mut pinned = chain[0].clone();
    let path = folder.path().join("sample.landfall");
    for number in 2..=ROTATIONS + 1 {
        let root = next(&chain[chain.len() - 1], &keys, number);
        chain.push(root);
        durable::write_file(&path, &bundle(&chain, &keys).stream(), 0o644).expect("a stick");
        let verified = read(&path, &pinned).expect("the site's own vendor");
        assert_eq!(verified.trusted_root().root().number(), number as u64);
        assert_eq!(verified.signers().len(), 2);
        pinned = verified.trusted_root().root().clone();
    }
    // A site that was installed with the first root, and has received nothing since.
    let last = read(&path, &chain[0]).expect("a chain from number 1");
    assert_eq!((last.trusted_root().pinned_number(), last.trusted_root().root().number()), (1, 101));
    let typed = TrustAnchor::Fingerprint(chain[0].fingerprint());
    assert!(Verified::read(last.head_bytes(), &typed).is_ok());
    // The vendor drops the oldest documents. Sites that pinned one of the remaining ones, or a later one, accept the
    // bundle.
    durable::write_file(&path, &bundle(&chain[39..], &keys).stream(), 0o644).expect("a stick");
    for number in [40, 57, 101] {
        let verified = read(&path, &chain[number - 1]).expect("a chain that begins at 40");
        assert_eq!(
            (verified.trusted_root().pinned_number(), verified.trusted_root().root().number()),
            (number as u64, 101)
        );
    }
    let refusal = read(&path, &chain[38]).expect_err("the steps between are missing");
    assert_eq!(refusal.code().id, "LF1130", "{refusal}");
    // Keys that were rotated out can no longer sign, and keys of another role never could.
    let refusal = |signers: &[SigningKey]| {
        Sample::signed_by(&[&signers[0], &signers[1]], &chain, vec![]).expect_err("keys that do not count").code().id
    };
    assert_eq!(refusal(keys.of(Role::Release, 1)), "LF1105");
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Release) {
        assert_eq!(refusal(keys.of(role, ROTATIONS + 1)), "LF1105", "{}", role.name());
    }
}
