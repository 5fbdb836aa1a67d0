//! Special data folders: existing before, separate disks, unmounted, or without a journal.

use landfall_documents::status::SiteState;
use landfall_media::mounted::on_tmpfs;

use super::*;

#[test]
fn existing_data_folder_stays() {
    let fixture = Fixture::new();
    durable::create_folder(&fixture.operations.paths.data()).unwrap();
    durable::create_folder(&fixture.operations.paths.settings()).unwrap();
    let birth = fixture.contents();
    fixture.prepared_install().run().unwrap();
    fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fixture.contents(), birth);
    fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fixture.contents(), birth);
}

#[test]
fn data_disk_is_emptied_and_stays_mounted() {
    let test = "operations::install::tests::disks::data_disk_is_emptied_and_stays_mounted";
    // The kept running program is this test, with tens of megabytes.
    let Some(disk) = on_tmpfs(test, "size=1g") else { return };
    let fixture = Fixture::new();
    let data = fixture.operations.paths.data();
    durable::create_folder(&data).unwrap();
    let birth = fixture.contents();
    rustix::mount::mount_bind(&disk, &data).unwrap();
    fixture.prepared_install().run().unwrap();
    for _ in 0..2 {
        assert_eq!(fixture.operations.uninstall(&DataDisposal::Keep).unwrap().kept.len(), 0);
    }
    assert_eq!(fixture.contents(), birth);
    // Only a mounted folder can be unmounted.
    rustix::mount::unmount(&data, rustix::mount::UnmountFlags::empty()).unwrap();
    assert_eq!(fixture.contents(), birth);
}

#[test]
fn missing_journal_is_not_empty_host() {
    let fixture = Fixture::new();
    fixture.prepared_install().run().unwrap();
    durable::remove_tree(&fixture.operations.paths.journal()).unwrap();
    let contents = fixture.contents();
    let operations = &fixture.operations;
    assert_eq!(fixture.code_of_prepare(|_| ()), codes::JOURNAL_MISSING);
    assert_eq!(operations.resume(None).unwrap_err().code(), codes::JOURNAL_MISSING);
    assert_eq!(operations.uninstall(&DataDisposal::Keep).unwrap_err().code(), codes::JOURNAL_MISSING);
    assert_eq!(operations.status().unwrap_err().code(), codes::JOURNAL_MISSING);
    assert_eq!(fixture.contents(), contents);
}

#[test]
fn unmounted_data_disk_is_not_lost_journal() {
    let fixture = Fixture::new();
    fixture.prepared_install().run().unwrap();
    let operations = &fixture.operations;
    let (data, elsewhere) = (operations.paths.data(), operations.paths.data().with_extension("elsewhere"));
    durable::rename(&data, &elsewhere).unwrap();
    durable::create_folder(&data).unwrap();
    let contents = fixture.contents();
    assert_eq!(fixture.code_of_prepare(|_| ()), codes::NODE_IDENTITY);
    assert_eq!(operations.resume(None).unwrap_err().code(), codes::NODE_IDENTITY);
    assert_eq!(operations.uninstall(&DataDisposal::Keep).unwrap_err().code(), codes::NODE_IDENTITY);
    let error = operations.status().unwrap_err();
    assert_eq!(error.code(), codes::NODE_IDENTITY);
    assert!(error.to_string().ends_with("its disk is not mounted"), "{error}");
    assert_eq!(fixture.contents(), contents);
    durable::remove_tree(&data).unwrap();
    durable::rename(&elsewhere, &data).unwrap();
    assert_eq!(operations.status().unwrap().state, SiteState::Installed);
}
