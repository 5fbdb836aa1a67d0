//! Untrusted provenance next to a bundle, untrusted attestations of an image, and statements of any form signed by the
//! right key.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_bundle_spec::Verified;
use landfall_bundle_spec::dsse::DsseEnvelope;
use landfall_bundle_spec::limits::PROVENANCE_BYTES;
use landfall_bundle_spec::provenance::{PAYLOAD_TYPE, Provenance};
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use libfuzzer_sys::fuzz_target;

static VENDOR: LazyLock<Vendor> = LazyLock::new(|| Vendor::new(KeyKind::Ed25519).expect("a key"));
static BUNDLE: LazyLock<Verified> = LazyLock::new(|| Sample::tiny(&VENDOR).expect("a bundle").head.into_verified());

/// An envelope of this statement by the vendor's key.
fn signed(payload: &[u8]) -> Vec<u8> {
    let beginning = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    let signature = VENDOR.key.sign(&[beginning.as_bytes(), payload].concat()).expect("a signature");
    let envelope = serde_json::json!({
        "payload": STANDARD.encode(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{ "sig": STANDARD.encode(signature) }],
    });
    envelope.to_string().into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    for read in [DsseEnvelope::read, DsseEnvelope::read_bundle] {
        if let Ok(envelope) = read("an attestation", bytes, PROVENANCE_BYTES) {
            assert!(
                !envelope.is_signed_by(VENDOR.key.public()),
                "an envelope without the vendor's signature is signed"
            );
        }
    }
    if let Ok(provenance) = Provenance::read("a.provenance.json", bytes) {
        assert!(provenance.verify(&BUNDLE).is_err(), "provenance without the vendor's signature is verified");
    }
    let provenance = Provenance::read("a.provenance.json", &signed(bytes)).expect("an envelope");
    if let Ok(verified) = provenance.verify(&BUNDLE) {
        assert!(verified.statement().is_about(BUNDLE.id()) && verified.signers() == BUNDLE.signers());
    }
});
