//! A site on which a later version of Landfall has begun an operation.

use landfall_documents::status::SiteState;

use super::*;

#[test]
fn newer_operation_refuses_every_verb() {
    let fixture = Fixture::new();
    fixture.prepared_install().run().unwrap();
    let newer = fixture.operations.paths.journal().join("000002-relocate.journal");
    durable::write_file(&newer, &fs_err::read(fixture.journal()).unwrap(), 0o600).unwrap();
    // Without the program that began it, nothing can continue.
    landfall_host::mounts::remove_tree(&fixture.operations.paths.data().join("engine")).unwrap();
    let before = fixture.contents();
    let operations = &fixture.operations;
    for (verb, code) in [
        ("status", operations.status().unwrap_err().code()),
        ("resume", operations.resume(None).unwrap_err().code()),
        ("uninstall", operations.uninstall(&DataDisposal::Keep).unwrap_err().code()),
        ("name", operations.site_name().unwrap_err().code()),
        ("install", fixture.code_of_prepare(|_| ())),
    ] {
        assert_eq!(code, codes::JOURNAL_NEWER, "{verb}");
    }
    assert_eq!(fixture.contents(), before);
}

#[test]
fn install_with_unknown_field_is_untouched() {
    let fixture = Fixture::new();
    fixture.prepared_install().run().unwrap();
    let path = fixture.journal();
    let decoded = record::decode(&fs_err::read(&path).unwrap()).unwrap();
    let mut first: serde_json::Value = serde_json::from_slice(&decoded.payloads[0]).unwrap();
    first["pins"]["tenant"] = "north".into();
    let (bytes, _) = record::encode(first.to_string().as_bytes(), record::Tail::default());
    durable::write_file(&path, &bytes, 0o600).unwrap();
    assert_eq!(fixture.operations.status().unwrap().state, SiteState::InstallInterrupted);
    assert_eq!(fixture.operations.resume(None).unwrap_err().code(), codes::JOURNAL_NEWER);
}
