//! The head of a bundle from an untrusted stick: opened, verified, and walked piece by piece.
#![no_main]

use landfall_bundle_spec::trust::TrustAnchor;
use landfall_bundle_spec::{Opened, Sha256, Verified};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Opened::read_file(bytes);
    let nothing = TrustAnchor::Fingerprint(Sha256([0; 32]));
    assert!(Verified::read_file(bytes, &nothing).is_err(), "a head was verified from a fingerprint that no root has");
});
