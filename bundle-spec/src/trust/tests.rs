use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sha2::Digest as _;

use super::*;
use crate::error::Result;
use landfall_error_codes::CodedError;

fn key() -> SigningKey {
    SigningKey::generate(KeyKind::EcdsaP256).unwrap()
}

/// Returns the contents of a root with these root keys and threshold; all other roles have the first key.
fn contents(number: u64, keys: &[&SigningKey], threshold: u64) -> RootContents {
    let public: Vec<PublicKey> = keys.iter().map(|key| key.public().clone()).collect();
    RootContents { number, root: (public.clone(), threshold), ..RootContents::single(&public[0], true) }
}

fn root(contents: &RootContents, signers: &[&SigningKey], previous: Option<&Root>) -> Result<Root> {
    let mut unsigned = UnsignedRoot::new(contents)?;
    for signer in signers {
        unsigned.sign(signer)?;
    }
    unsigned.finish(previous)
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result.unwrap_err().code().id
}

fn pin(root: &Root) -> TrustAnchor {
    TrustAnchor::Root(root.bytes().to_vec())
}

#[test]
fn keys_survive_encryption_and_pem() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Ed25519] {
        let key = SigningKey::generate(kind).unwrap();
        let signature = key.sign(b"message").unwrap();
        assert!(key.public().verifies(b"message", &signature) && !key.public().verifies(b"other", &signature));
        let pem = key.to_encrypted_pem(b"password").unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"), "{pem}");
        let again = SigningKey::from_encrypted_pem(pem.as_bytes(), b"password").unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(code(SigningKey::from_encrypted_pem(pem.as_bytes(), b"wrong")), "LF9002");
        let unencrypted = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(code(SigningKey::from_encrypted_pem(unencrypted.as_bytes(), b"")), "LF1113");
        assert_eq!(&PublicKey::from_pem("cosign.pub", &key.public().to_pem()).unwrap(), key.public());
    }
}

#[test]
fn public_key_has_one_encoding() {
    let key = key();
    let der = key.public().der().to_vec();
    let mut compressed = der[..27].to_vec();
    compressed[26] = 2 + (der[90] & 1);
    compressed.extend_from_slice(&der[27..59]);
    for bad in [&der[..90], &[der.clone(), vec![0]].concat(), &compressed, b""] {
        assert_eq!(code(PublicKey::from_der("x", bad)), "LF1112");
    }
    assert_eq!(code(PublicKey::from_pem("x", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----")), "LF1112");
}

#[test]
fn fingerprints_are_parsed_strictly() {
    let text = format!("sha256:{}", "ab".repeat(32));
    assert!(TrustAnchor::fingerprint(&text).is_ok() && TrustAnchor::fingerprint(&format!(" {text}\n")).is_ok());
    for bad in ["", "ab", &text[..70], &text.to_uppercase(), &text[7..], &text.replace("sha256", "sha512")] {
        assert_eq!(code(TrustAnchor::fingerprint(bad)), "LF1102", "{bad}");
    }
}

#[test]
fn hundred_rotations_are_followed() {
    let keys: Vec<SigningKey> = (0..101).map(|_| SigningKey::generate(KeyKind::Ed25519).unwrap()).collect();
    let mut chain = vec![root(&contents(1, &[&keys[0]], 1), &[&keys[0]], None).unwrap()];
    for number in 1..=100 {
        let next = contents(number as u64 + 1, &[&keys[number]], 1);
        chain.push(root(&next, &[&keys[number - 1], &keys[number]], chain.last()).unwrap());
    }
    let fingerprint = TrustAnchor::Fingerprint(chain[0].fingerprint());
    for (anchor, pinned) in [(fingerprint, 1), (pin(&chain[0]), 1), (pin(&chain[60]), 61), (pin(&chain[100]), 101)] {
        let trusted = walk(&anchor, &chain).unwrap();
        assert_eq!((trusted.root().number(), trusted.pinned_number()), (101, pinned));
        assert!(trusted.development());
    }
    let trusted = walk(&pin(&chain[60]), &chain[..5]).unwrap();
    assert_eq!(trusted.root().number(), 61, "an older bundle does not take a site's newer root away");
    assert_eq!(code(walk(&pin(&chain[0]), &chain[1..])), "LF1130");
    let late = &chain[39..];
    let trusted = walk(&pin(&chain[56]), late).unwrap();
    assert_eq!((trusted.root().number(), trusted.pinned_number()), (101, 57), "a chain may begin below the anchor");
    assert_eq!(walk(&pin(&chain[39]), late).unwrap().root().number(), 101, "or at it");
    assert_eq!(code(walk(&pin(&chain[38]), late)), "LF1130");
    let gap = [&chain[..3], &chain[4..]].concat();
    assert_eq!(code(walk(&pin(&chain[0]), &gap)), "LF1108");
    let typed = walk(&TrustAnchor::Fingerprint(chain[56].fingerprint()), late).unwrap();
    assert_eq!((typed.root().number(), typed.pinned_number()), (101, 57), "a fingerprint may be of any number");
    assert_eq!(code(walk(&TrustAnchor::Fingerprint(chain[1].fingerprint()), late)), "LF1103");
    assert_eq!(code(walk(&TrustAnchor::Fingerprint(chain[0].fingerprint()), &[])), "LF1103");
}

#[test]
fn rotation_needs_both_thresholds() {
    let [one, two, three, four] = [key(), key(), key(), key()];
    let first = root(&contents(1, &[&one, &two, &three], 2), &[&one, &two], None).unwrap();
    let next = |signers: &[&SigningKey]| root(&contents(2, &[&three, &four], 2), signers, Some(&first));
    assert!(next(&[&one, &three, &four]).is_ok());
    assert_eq!(code(next(&[&three, &four])), "LF1108", "one of the two old keys is missing");
    assert_eq!(code(next(&[&one, &two, &three])), "LF1108", "one of the two new keys is missing");
    assert!(next(&[&one, &three, &four, &key()]).is_ok(), "an unknown additional signer is ignored");
    assert_eq!(code(next(&[&one, &one, &four, &key()])), "LF1108", "and does not count");
    assert_eq!(code(root(&contents(1, &[&one, &two], 2), &[&one, &one], None)), "LF1107", "one key counts once");
    assert_eq!(code(root(&contents(1, &[&one], 1), &[], None)), "LF1104");
    assert_eq!(code(root(&contents(3, &[&one, &two], 2), &[&one, &two], Some(&first))), "LF1108", "exactly one more");
    let production = RootContents { development: false, ..contents(2, &[&one, &two], 2) };
    assert_eq!(code(root(&production, &[&one, &two], Some(&first))), "LF1108", "development stays development");
}

#[test]
fn conflicting_root_is_refused() {
    let [one, two] = [key(), key()];
    let first = root(&contents(1, &[&one], 1), &[&one], None).unwrap();
    let second = root(&contents(2, &[&one], 1), &[&one], Some(&first)).unwrap();
    let fork = root(&contents(2, &[&two], 1), &[&one, &two], Some(&first)).unwrap();
    assert_eq!(code(walk(&pin(&second), &[first.clone(), fork])), "LF1109");
    let other = root(&contents(1, &[&two], 1), &[&two], None).unwrap();
    assert_eq!(code(walk(&pin(&other), &[first])), "LF1109");
}

/// Returns the second valid signature that exists for every ECDSA signature: n − s in place of s. Anyone can compute
/// it.
fn twin(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (r, s) = signature[2..].split_at(2 + usize::from(signature[3]));
    let s = &s[2..];
    let s = [vec![0; 33 - s.len()], s.to_vec()].concat();
    let (mut other, mut borrow) = (vec![0; 33], 0);
    for index in (0..33).rev() {
        let order = if index == 0 { 0 } else { i16::from(ORDER[index - 1]) };
        let difference = order - i16::from(s[index]) - borrow;
        other[index] = u8::try_from(difference & 0xff).unwrap();
        borrow = i16::from(difference < 0);
    }
    let zeros = other.iter().take_while(|byte| **byte == 0).count();
    let other = if other[zeros] & 0x80 == 0 { &other[zeros..] } else { &other[zeros - 1..] };
    let body = [r, &[2, u8::try_from(other.len()).unwrap()], other].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}

#[test]
fn resigned_root_counts_as_same() {
    let [one, two] = [key(), key()];
    let first = root(&contents(1, &[&one], 1), &[&one], None).unwrap();
    let said = contents(2, &[&one, &two], 1);
    let second = root(&said, &[&one, &two], Some(&first)).unwrap();
    let surplus = root(&said, &[&one], Some(&first)).unwrap();
    let mut other = UnsignedRoot::new(&said).unwrap();
    other.add_signature(one.public().id(), &twin(&one.sign(other.message()).unwrap()));
    let twin = other.finish(Some(&first)).unwrap();
    // The holder of the stick can make a site pin any of them; the vendor's own bundles must still be accepted.
    for pinned in [&second, &surplus, &twin] {
        for carried in [&second, &surplus, &twin] {
            let trusted = walk(&pin(pinned), &[first.clone(), carried.clone()]).unwrap();
            assert_eq!(trusted.root().bytes(), pinned.bytes(), "what is pinned stays");
        }
    }
}

#[test]
fn contradictory_roots_are_refused() {
    let [one, two] = [key(), key()];
    for bad in
        [contents(0, &[&one], 1), contents(1, &[&one], 0), contents(1, &[&one, &one], 2), contents(1, &[&one], 2)]
    {
        assert_eq!(code(UnsignedRoot::new(&bad)), "LF1110", "{bad:?}");
    }
    let good = root(&contents(1, &[&one, &two], 2), &[&one, &two], None).unwrap();
    let text = String::from_utf8(good.bytes().to_vec()).unwrap();
    let ids = {
        let mut ids = [one.public().id().to_string(), two.public().id().to_string()];
        ids.sort();
        ids
    };
    let read = |text: String| code(Root::read("1.root.json", text.as_bytes()));
    let pair = format!("\"{}\",\"{}\"", ids[0], ids[1]);
    assert_eq!(read(text.replace(&pair, &format!("\"{}\",\"{}\"", ids[0], ids[0]))), "LF1110");
    assert_eq!(read(text.replace(&pair, &format!("\"{}\",\"{}\"", ids[1], ids[0]))), "LF1110");
    let ders = [one.public(), two.public()].map(|key| STANDARD.encode(key.der()));
    assert_eq!(read(text.replace(&ders[0], &ders[1])), "LF1110", "a key under another id");
    assert_eq!(read(text.replace(&ders[0], &ders[0].to_lowercase())), "LF1110");
    assert_eq!(read(text.replace("landfall.dev/root/1", "landfall.dev/bundle/1")), "LF1013");
    assert_eq!(read(text.replace("{\"signatures\"", "{\"aaa\":1,\"signatures\"")), "LF1012", "beside what is signed");
    assert_eq!(read(text.replace("\"development\":true", "\"development\":true,\"development\":true")), "LF1010");
    assert_eq!(read(format!("{text}\n")), "LF1011");
}

#[test]
fn flipped_chain_bits_are_refused() {
    let keys = [key(), key()];
    let first = root(&contents(1, &[&keys[0]], 1), &[&keys[0]], None).unwrap();
    let second = root(&contents(2, &[&keys[1]], 1), &[&keys[0], &keys[1]], Some(&first)).unwrap();
    let chain = [first, second];
    for anchor in [pin(&chain[0]), pin(&chain[1]), TrustAnchor::Fingerprint(chain[0].fingerprint())] {
        assert!(walk(&anchor, &chain).is_ok());
        for index in 0..2 {
            for byte in 0..chain[index].bytes().len() {
                let mut bytes = chain[index].bytes().to_vec();
                bytes[byte] ^= 1 << (byte % 8);
                let refused = Root::read("a root", &bytes).and_then(|root| {
                    let mut chain = chain.clone();
                    chain[index] = root;
                    walk(&anchor, &chain)
                });
                assert!(refused.is_err(), "byte {byte} of document {} is free", index + 1);
            }
        }
    }
}

#[test]
fn roles_are_kept_apart() {
    let [owner, releaser] = [key(), key()];
    let mut roles = contents(1, &[&owner], 1);
    roles.release = (vec![releaser.public().clone()], 1);
    let root = root(&roles, &[&owner], None).unwrap();
    let verify = |role, key: &SigningKey| {
        let signature = key.sign(b"message").unwrap();
        root.verify(role, "x.json", b"message", &[(key.public().id(), &signature)])
    };
    assert!(verify(Role::Release, &releaser).is_ok() && verify(Role::License, &owner).is_ok());
    assert_eq!(code(verify(Role::Release, &owner)), "LF1105");
    assert_eq!(code(verify(Role::Revocation, &releaser)), "LF1105");
    assert_eq!(code(root.verify(Role::Release, "x.json", b"message", &[])), "LF1104");
    let twice = releaser.sign(b"message").unwrap();
    let id = releaser.public().id();
    assert_eq!(code(root.verify(Role::Release, "x.json", b"other", &[(id, &twice)])), "LF1106");
}

/// Returns a document with a key of an unknown kind next to `key` in every role, an unknown role and unknown fields.
fn of_the_future(key: &SigningKey, threshold: u64) -> (Root, KeyId) {
    let plain = UnsignedRoot::new(&contents(1, &[key], 1)).unwrap();
    let mut signed: serde_json::Value = serde_json::from_slice(plain.message()).unwrap();
    let der = b"a key of a later kind";
    let unknown = KeyId::of(der);
    signed["keys"][unknown.to_string()] = STANDARD.encode(der).into();
    let mut keys = [key.public().id().to_string(), unknown.to_string()];
    keys.sort();
    for role in ["root", "release"] {
        signed["roles"][role] = serde_json::json!({ "keys": keys, "threshold": threshold, "note": "later" });
    }
    signed["roles"]["mirror"] = serde_json::json!({ "keys": [unknown.to_string()], "threshold": 1 });
    signed["expires"] = "2030-01-01".into();
    let mut unsigned = UnsignedRoot::of(1, &signed).unwrap();
    unsigned.sign(key).unwrap();
    unsigned.add_signature(unknown, b"a signature of a later kind");
    (unsigned.draft().unwrap(), unknown)
}

#[test]
fn unknown_keys_and_roles_are_ignored() {
    let [one, two] = [key(), key()];
    let (first, unknown) = of_the_future(&one, 1);
    assert!(first.key(unknown).is_none() && first.role(Role::Release).keys.contains(&unknown));
    assert_eq!(walk(&pin(&first), std::slice::from_ref(&first)).unwrap().root().number(), 1);
    let (needy, _) = of_the_future(&one, 2);
    assert_eq!(code(walk(&pin(&needy), &[])), "LF1107", "a threshold that only the unknown key would meet");
    // The next document keeps data that this version does not know.
    let mut change = RootChange::following(&first).unwrap();
    change.admit(Role::Release, two.public());
    assert!(change.dismiss(Role::Release, one.public().id()) && !change.dismiss(Role::Release, one.public().id()));
    let mut unsigned = change.finish().unwrap();
    unsigned.sign(&one).unwrap();
    let second = unsigned.finish(Some(&first)).unwrap();
    let said: serde_json::Value = serde_json::from_slice(second.message()).unwrap();
    assert_eq!(said["expires"], "2030-01-01");
    assert_eq!(said["roles"]["mirror"]["keys"][0], unknown.to_string());
    assert_eq!(said["roles"]["root"]["note"], "later");
    assert!(said["keys"][unknown.to_string()].is_string());
    assert_eq!(walk(&pin(&first), &[first, second]).unwrap().root().number(), 2);
}

#[test]
fn unused_keys_are_dropped() {
    let [one, two] = [key(), key()];
    let first = root(&contents(1, &[&one], 1), &[&one], None).unwrap();
    let mut change = RootChange::following(&first).unwrap();
    for role in Role::ALL {
        change.admit(role, two.public());
        change.admit(role, two.public());
        change.dismiss(role, one.public().id());
    }
    let mut unsigned = change.finish().unwrap();
    unsigned.sign(&one).unwrap();
    unsigned.sign(&two).unwrap();
    let second = unsigned.finish(Some(&first)).unwrap();
    assert!(second.key(one.public().id()).is_none() && second.keys_of(Role::Root).eq([two.public()]));
    let mut empty = RootChange::following(&second).unwrap();
    empty.dismiss(Role::License, two.public().id());
    assert_eq!(code(empty.finish()), "LF1110");
}

#[test]
fn detached_signatures_identify_their_key() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Ed25519] {
        let [key, other] = [kind, kind].map(|kind| SigningKey::generate(kind).unwrap());
        let message = b"a document";
        let signature = key.sign(message).unwrap();
        let keys = || [other.public().clone(), key.public().clone()];
        let text = format!("{}\n", STANDARD.encode(&signature));
        let bundle = SignatureFile::new(key.public().id(), message, signature.clone()).to_bytes().unwrap();
        // Other signers write the URL-safe alphabet, with or without padding.
        let url_safe = URL_SAFE.encode(&signature);
        let unpadded = url_safe.trim_end_matches('=');
        let other_bundle = String::from_utf8(bundle.clone()).unwrap().replace(&STANDARD.encode(&signature), unpadded);
        for form in [signature.as_slice(), text.as_bytes(), &bundle, url_safe.as_bytes(), other_bundle.as_bytes()] {
            assert_eq!(find_detached_signature(form, message, keys()).unwrap(), (key.public().id(), signature.clone()));
            assert!(find_detached_signature(form, b"another document", keys()).is_none());
            assert!(find_detached_signature(form, message, [other.public().clone()]).is_none());
        }
        assert!(
            find_detached_signature(b"", message, keys()).is_none()
                && find_detached_signature(b"{}", message, keys()).is_none()
        );
    }
}

#[test]
fn revoked_releases_are_unique() {
    let release = |name: &str, version: &str| RevokedRelease {
        name: name.to_owned(),
        version: version.to_owned(),
        bundle: None,
        reason: String::new(),
    };
    let (b, a) = (release("shop", "2.0.0"), release("shop", "1.0.0"));
    let revocation = Revocation::new(1, vec![b.clone(), a.clone()]).unwrap();
    assert_eq!(revocation.releases(), [a.clone(), b.clone()]);
    let again = Revocation::read("revocation.json", revocation.bytes()).unwrap();
    assert_eq!((again.releases(), again.number()), (revocation.releases(), 1));
    let id = crate::Sha256([7; 32]);
    assert!(revocation.check("shop", "3.0.0", id).is_ok());
    assert_eq!(code(revocation.check("shop", "2.0.0", id)), "LF1131");
    let one_bundle = RevokedRelease { bundle: Some(id), ..release("shop", "3.0.0") };
    let narrow = Revocation::new(2, vec![one_bundle]).unwrap();
    assert_eq!(code(narrow.check("shop", "3.0.0", id)), "LF1131");
    assert!(narrow.check("shop", "3.0.0", crate::Sha256([8; 32])).is_ok());
    let long = RevokedRelease { reason: "x".repeat(501), ..a.clone() };
    for bad in [vec![a.clone(), a.clone()], vec![release("Shop", "1")], vec![release("shop", "")], vec![long]] {
        assert_eq!(code(Revocation::new(1, bad)), "LF1133");
    }
    assert_eq!(code(Revocation::new(0, vec![a])), "LF1133");
}

#[test]
fn sigstore_bundles_are_canonical_or_imported() {
    let key = key();
    let message = b"{}";
    let file = SignatureFile::sign(&key, message).unwrap();
    let name = signature_file_name(file.key());
    let bytes = file.to_bytes().unwrap();
    assert_eq!(SignatureFile::read(&name, &bytes).unwrap(), file);
    assert_eq!(code(SignatureFile::read("signatures/x.sigstore.json", &bytes)), "LF1111");
    assert!(file.is_of(message) && !file.is_of(b"other"));

    let hint = STANDARD.encode(sha2::Sha256::digest(key.public().der()));
    let digest = STANDARD.encode(sha2::Sha256::digest(message));
    let signature = STANDARD.encode(file.signature());
    let foreign = format!(
        r#"{{ "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {{ "publicKey": {{ "hint": "{hint}" }}, "tlogEntries": [{{ "logIndex": "1" }}] }},
            "messageSignature": {{ "messageDigest": {{ "algorithm": "SHA2_256", "digest": "{digest}" }},
            "signature": "{signature}" }} }}"#
    );
    let imported = find_detached_signature(foreign.as_bytes(), message, [key.public().clone()]);
    assert_eq!(imported, Some((file.key(), file.signature().to_vec())));
    assert_eq!(code(SignatureFile::read(&name, foreign.as_bytes())), "LF1111");
}
