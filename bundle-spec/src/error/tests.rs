use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use landfall_error_codes::ExitClass;

/// Returns one error of each variant.
fn all() -> Vec<Error> {
    let name = || "documents/release.json".to_owned();
    let signed = || "landfall.json".to_owned();
    let root = || "trust/2.root.json".to_owned();
    let key = KeyId([0xab; 32]);
    let cause = || Box::<dyn std::error::Error + Send + Sync>::from("the cause");
    vec![
        Error::Truncated { place: name() },
        Error::NotABundle { place: "the file".to_owned() },
        Error::UnknownFormat { format: "2".to_owned() },
        Error::UnknownRequirement { feature: "deltas".to_owned(), landfall: "2.0.0".to_owned() },
        Error::TrailingData { place: "the bundle".to_owned() },
        Error::DamagedHeader { name: name() },
        Error::DamagedDocument { name: name() },
        Error::DamagedChunk { name: "blobs/sha256/ab".to_owned(), offset: 1 << 20, end: 2 << 20 },
        Error::DamagedChunkList { name: "blobs/sha256/ab".to_owned() },
        Error::DuplicateName { name: signed(), field: "format".to_owned() },
        Error::NotCanonical { name: signed() },
        Error::InvalidDocument { name: signed(), source: cause() },
        Error::WrongType { name: signed(), found: "landfall.dev/root/1".to_owned(), expected: "landfall.dev/bundle/1" },
        Error::TooLarge { what: "landfall.json (65537 bytes)".to_owned(), limit: 65536 },
        Error::DamagedPadding { name: name() },
        Error::MisplacedFile { name: root(), expected: "trust/1.root.json or blobs.json".to_owned() },
        Error::WrongLength { computed: 10240, stated: 10241 },
        Error::Unreadable { place: name(), source: std::io::Error::other("the cause") },
        Error::InvalidContents { what: "landfall.json: the name `A` is not a DNS label".to_owned() },
        Error::PartSize { part_bytes: 4096, reason: "no chunk ends between bytes 0 and 4096".to_owned() },
        Error::FingerprintMalformed { text: "sha256:AB".to_owned() },
        Error::FingerprintWrong { found: "is not in the bundle".to_owned(), trusted: "sha256:ab".to_owned() },
        Error::Unsigned { name: signed() },
        Error::UnknownKey { name: signed(), key, root: 2, role: "release" },
        Error::BadSignature { name: signed(), key },
        Error::ThresholdNotMet { name: signed(), found: 1, threshold: 2, root: 2, role: "release" },
        Error::BadRootChain { name: root(), reason: "it is signed by 0 of 1 root keys of number 1".to_owned() },
        Error::RootDiffers { name: root() },
        Error::InvalidRoot { name: root(), reason: "its number is 0".to_owned() },
        Error::InvalidSignature {
            name: "signatures/ab.sigstore.json".to_owned(),
            reason: "it is not base64".to_owned(),
        },
        Error::InvalidPublicKey { name: "cosign.pub".to_owned() },
        Error::PrivateKey { action: "read", source: cause() },
        Error::WrongPassword,
        Error::ChainTooYoung { first: 40, trusted: 30 },
        Error::RevocationDiffers { name: "trust/revocation.json".to_owned(), number: 3 },
        Error::InvalidRevocation { name: "trust/revocation.json".to_owned(), reason: "its number is 0".to_owned() },
        Error::Revoked { release: "shop 2.3.0".to_owned(), number: 3, reason: "it loses data".to_owned() },
        Error::ForeignSignature { name: "alice.sig".to_owned(), document: "2.root.json".to_owned() },
        Error::UnknownSigner {
            name: "a.provenance.json".to_owned(),
            found: "SHA256:abc".to_owned(),
            root: 2,
            role: "release",
        },
        Error::ForeignProvenance {
            name: "a.provenance.json".to_owned(),
            found: Sha256([0xcd; 32]).to_string(),
            id: Sha256([0xab; 32]),
        },
        Error::RootMissing,
    ]
}

#[test]
fn messages_match_snapshot() {
    let lines = all().into_iter().fold(String::new(), |mut lines, error| {
        let (code, source) = (error.code(), std::error::Error::source(&error));
        writeln!(lines, "{} {} {error}", code.id, code.class.exit_code()).unwrap();
        assert!(
            source.is_none_or(|source| !error.to_string().contains(&source.to_string())),
            "{error} repeats its source"
        );
        lines
    });
    insta::assert_snapshot!(lines);
}

#[test]
fn error_codes_are_unique() {
    let used: BTreeSet<_> = all().iter().map(|error| error.code().id).collect();
    assert_eq!(used.len(), all().len());
    assert!(used.iter().all(|id| id.starts_with("LF10") || id.starts_with("LF11") || *id == "LF9002"));
    for error in all() {
        let reads =
            !matches!(error.code().id, "LF1020" | "LF1021" | "LF1102" | "LF1113" | "LF1114" | "LF1134" | "LF9002");
        assert_eq!(error.code().class, if reads { ExitClass::Refused } else { ExitClass::Usage }, "{error}");
    }
}
