use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_error_codes::CodedError as _;
use proptest::prelude::*;

use super::*;

fn record(kind: PartKind) -> PartRecord {
    PartRecord { kind, size_bytes: 3, sha256: Sha256::of(kind.file_name()) }
}

/// A signed manifest that names every part, with one of them missing.
fn manifest(site: &Vendor, change: impl FnOnce(&mut CarryManifest)) -> CarryManifest {
    let missing = MissingPart { kind: PartKind::Usage, reason: "this site has no license".to_owned() };
    let parts = PartKind::ALL.into_iter().filter(|kind| *kind != PartKind::Usage).map(record).collect();
    let texts = ["7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b", "2026-11-20T08:00:00Z", "0.1.0"].map(str::to_owned);
    let [name, made, landfall] = texts;
    let mut unsigned = CarryManifest::new_unsigned(name, made, landfall, parts, vec![missing], site.key.public());
    change(&mut unsigned);
    let signature = site.key.sign(&unsigned.message().unwrap()).unwrap();
    unsigned.with_signature(&signature)
}

fn site() -> Vendor {
    Vendor::new(KeyKind::EcdsaP256).unwrap()
}

#[test]
fn manifest_is_verified_by_site_key() {
    let [site, other] = [site(), site()];
    let written = manifest(&site, |_| {});
    let read = CarryManifest::read(MANIFEST, &written.to_bytes().unwrap()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.verify(&[other.key.public().id(), site.key.public().id()]).unwrap(), *site.key.public());
    let code = |keys: &[_]| read.verify(keys).unwrap_err().code().id;
    assert_eq!((code(&[other.key.public().id()]), code(&[])), ("LF4742", "LF4742"));
    // The key of another host, with this host's signature.
    let swapped = {
        let mut swapped = written;
        swapped.key = other.key.public().to_pem();
        swapped
    };
    assert_eq!(swapped.verify(&[other.key.public().id()]).unwrap_err().code().id, "LF4742");
}

#[test]
fn parts_are_unique_and_checked() {
    let site = site();
    let code = |change: fn(&mut CarryManifest)| {
        manifest(&site, change).verify(&[site.key.public().id()]).map_or_else(|error| error.code().id, |_| "verified")
    };
    assert_eq!(code(|_| {}), "verified");
    assert_eq!(code(|manifest| manifest.parts.truncate(manifest.parts.len() - 1)), "LF4743", "one is left out");
    assert_eq!(code(|manifest| manifest.missing.clear()), "LF4743");
    assert_eq!(code(|manifest| manifest.parts.push(record(PartKind::Audit))), "LF4743", "one is named twice");
    let audit = record(PartKind::Audit);
    audit.check(3, Sha256::of("audit.jsonl")).unwrap();
    for (bytes, digest) in [(4, Sha256::of("audit.jsonl")), (3, Sha256::of("facts.json"))] {
        assert_eq!(audit.check(bytes, digest).unwrap_err().code().id, "LF4743");
    }
}

#[test]
fn inventory_round_trips() {
    let mut inventory = SiteInventory::of("site".to_owned(), "0.1.0".to_owned(), "0123".to_owned());
    let (number, fingerprint) = (2, Sha256::of("root"));
    inventory.root = Some(PinnedRoot { number, fingerprint, development: false });
    let bytes = serde_json::to_vec(&inventory).unwrap();
    assert_eq!(SiteInventory::read("inventory.json", &bytes).unwrap(), inventory);
    for bad in [b"{}".to_vec(), Vec::new(), b"[]".to_vec(), vec![b' '; 2 << 20]] {
        assert_eq!(SiteInventory::read("inventory.json", &bad).unwrap_err().code().id, "LF4741");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// With any byte changed, the manifest is either refused or means what the site signed.
    #[test]
    fn changed_manifest_byte_never_passes(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let site = site();
        let written = manifest(&site, |_| {});
        let mut bytes = written.to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = CarryManifest::read(MANIFEST, &bytes) {
            prop_assert!(read == written || read.verify(&[site.key.public().id()]).is_err());
        }
    }
}
