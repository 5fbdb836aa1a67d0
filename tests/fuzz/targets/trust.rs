//! Root documents, revocations and detached signatures. Any document that was read must be written back unchanged.
#![no_main]

use landfall_bundle_spec::trust::{Revocation, Root, SignatureFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(root) = Root::read("1.root.json", bytes) {
        assert_eq!(root.bytes(), bytes, "a root document has two spellings");
    }
    let _ = Revocation::read("revocation.json", bytes);
    let _ = SignatureFile::read("a.sigstore.json", bytes);
});
