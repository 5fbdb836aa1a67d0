//! Root documents, revocations, licenses and detached signatures. What is read must be written again as it was.
#![no_main]

use landfall_bundle_spec::trust::{Revocation, Root, SignatureFile};
use landfall_license::SealedLicense;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(root) = Root::read("1.root.json", bytes) {
        assert_eq!(root.bytes(), bytes, "a root document has two spellings");
    }
    let _ = Revocation::read("revocation.json", bytes);
    let _ = SignatureFile::read("a.sigstore.json", bytes);
    if let Ok(license) = SealedLicense::read("a.license", bytes) {
        assert_eq!(license.bytes(), bytes, "a license has two spellings");
        let _ = license.untrusted();
    }
});
