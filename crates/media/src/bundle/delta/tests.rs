use std::collections::HashSet;
use std::fs::File;
use std::process::Command;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::CodedError;

use super::*;
use crate::pack::pack_delta;
use crate::parts::{Output, WrittenFile};
use crate::progress::SilentProgress;
use crate::stage::stage;
use crate::testing::{Fixture, flip};
use crate::verify::{verify, verify_arrived};

/// Writes a delta for a site that holds the blobs with these indexes.
fn delta(fixture: &Fixture, held: &[usize], part_bytes: Option<u64>) -> Vec<WrittenFile> {
    let payload = &fixture.payload;
    let held: HashSet<Sha256> = held.iter().map(|blob| payload.blob(*blob).sha256).collect();
    let whole = fixture.folder.path().join("whole");
    let output = Output { folder: &whole, part_bytes: None, others: &|_| Vec::new(), others_bytes: 0 };
    if !whole.exists() {
        crate::pack::pack(payload, &fixture.vendor_store, output, &Counters::new(), &SilentProgress).unwrap();
    }
    let contents = Contents::lacking(payload, &held);
    let stick = fixture.stick();
    let output = Output { folder: &stick, part_bytes, ..output };
    pack_delta(&fixture.find(&whole).unwrap(), &contents, output, &Counters::new(), &SilentProgress).unwrap()
}

/// Fills the site's store with the blobs at these indexes.
fn hold(fixture: &Fixture, held: &[usize]) {
    let payload = &fixture.payload;
    for blob in held {
        let path = fixture.vendor_store.path(payload.blob(*blob).sha256);
        fixture.site_store().ingest_bytes(&std::fs::read(path).unwrap()).unwrap();
    }
}

#[test]
fn delta_completes_site_store() {
    for (held, part_bytes) in [
        (&[5_usize][..], None),
        (&[0, 1, 2, 4], None),
        (&[3, 5, 7], Some(1_000_000)),
        (&[0, 1, 2, 3, 4, 5, 6, 7], None),
        (&[0, 1, 2, 3, 4, 5, 6], Some(20_000)),
    ] {
        let fixture = Fixture::small();
        let files = delta(&fixture, held, part_bytes);
        hold(&fixture, held);
        let media = fixture.find(&fixture.stick()).unwrap();
        let deltas: Vec<_> = files.iter().filter(|file| file.name.contains(".delta")).collect();
        assert_eq!(media.files(), deltas.len());
        assert_eq!(media.total_bytes(), deltas.iter().map(|file| file.size).sum::<u64>());
        let left_out = media.contents().left_out_bytes(&fixture.payload);
        assert!(media.total_bytes() + left_out <= fixture.stream.len() as u64);
        // A delta always includes the program.
        assert!((0..8).all(|blob| media.contents().has(blob) == (blob == 0 || !held.contains(&blob))));
        verify(&media, "verifying", &SilentProgress).unwrap();
        let copied = stage(&media, &fixture.site_store(), &SilentProgress).unwrap();
        let held_bytes: u64 = held.iter().map(|blob| fixture.payload.blob(*blob).size).sum();
        assert_eq!(copied.present_bytes, held_bytes);
        assert!((0..8).all(|blob| fixture.site_store().holds(&fixture.payload, blob)));
    }
}

#[test]
fn delta_contains_head_and_missing_blobs() {
    let fixture = Fixture::small();
    let files = delta(&fixture, &[5], None);
    let listed =
        Command::new("tar").arg("--list").arg("--file").arg(fixture.stick().join(&files[0].name)).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let names: Vec<String> = String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect();
    let has = |name: &str| names.iter().any(|other| other == name);
    for (blob, entry) in fixture.payload.layout().entries().iter().enumerate() {
        assert_eq!(has(&entry.name), blob != 5, "{names:?}");
    }
    assert!(has("landfall.json") && has("blobs.json"), "{names:?}");
}

#[test]
fn site_lacking_blobs_refuses_delta() {
    let fixture = Fixture::small();
    delta(&fixture, &[3, 5, 6], None);
    hold(&fixture, &[3, 6]);
    let media = fixture.find(&fixture.stick()).unwrap();
    let error = stage(&media, &fixture.site_store(), &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1218");
    let blob = fixture.payload.blob(5);
    let message = error.to_string();
    assert!(
        message.contains(&blob.sha256.to_string()) && message.contains(&format!("1 blobs of {} bytes", blob.size)),
        "{message}"
    );
    assert!(!fixture.site_store().holds(&fixture.payload, 4), "something was staged");
}

#[test]
fn rotten_blob_outside_delta_is_named() {
    let fixture = Fixture::small();
    delta(&fixture, &[3, 5], None);
    hold(&fixture, &[3, 5]);
    let (store, blob) = (fixture.site_store(), fixture.payload.blob(5));
    flip(&store.path(blob.sha256), 2_500_000);
    let media = fixture.find(&fixture.stick()).unwrap();
    let error = stage(&media, &store, &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1218");
    assert!(error.to_string().contains(&blob.sha256.to_string()), "{error}");
    assert!(store.holds(&fixture.payload, 5) && !store.holds(&fixture.payload, 4));
}

#[test]
fn delta_damage_is_found_everywhere() {
    let fixture = Fixture::small();
    let files = delta(&fixture, &[3, 5], None);
    hold(&fixture, &[3, 5]);
    let path = fixture.stick().join(&files[0].name);
    let head = fixture.payload.layout().head_bytes();
    let length = files[0].size;
    // In order: the first header, a blob, padding or a blob, the last header or blob, and the end of the archive.
    for offset in [head, head + 700, u64::midpoint(head, length), length - 1600, length - 1024, length - 1] {
        flip(&path, offset);
        let refusal = match fixture.find(&path) {
            Err(error) => error,
            Ok(media) => verify(&media, "verifying", &SilentProgress).unwrap_err(),
        };
        assert_eq!(refusal.code().id, "LF1208", "{offset}: {refusal}");
        flip(&path, offset);
    }
    verify(&fixture.find(&path).unwrap(), "verifying", &SilentProgress).unwrap();
}

#[test]
fn cut_or_reordered_delta_is_refused() {
    let fixture = Fixture::small();
    let files = delta(&fixture, &[5], None);
    let path = fixture.stick().join(&files[0].name);
    let whole = std::fs::read(&path).unwrap();
    for length in [whole.len() - 1, whole.len() - 1024, whole.len() / 2] {
        File::options().write(true).open(&path).unwrap().set_len(length as u64).unwrap();
        let error = fixture.find(&path).unwrap_err();
        assert!(["LF1215", "LF1208"].contains(&error.code().id), "{length}: {error}");
        write(&path, &whole);
    }
    // The first two entries are swapped.
    let entries = fixture.payload.layout().entries();
    let head = usize::try_from(entries[0].header_offset).unwrap();
    let [first, second] = [1, 2].map(|entry| usize::try_from(entries[entry].header_offset).unwrap());
    let swapped = [&whole[..head], &whole[first..second], &whole[head..first], &whole[second..]].concat();
    write(&path, &swapped);
    assert_eq!(fixture.find(&path).unwrap_err().code().id, "LF1208");
}

#[test]
fn trailing_delta_data_is_refused() {
    let fixture = Fixture::small();
    let files = delta(&fixture, &[5], None);
    let path = fixture.stick().join(&files[0].name);
    let longer = [std::fs::read(&path).unwrap(), b"more".to_vec()].concat();
    for path in [path, fixture.stick().join("other")] {
        write(&path, &longer);
        let error = fixture.find(&path).unwrap_err();
        assert_eq!(error.code().id, "LF1209");
        assert_eq!(error.to_string(), format!("{} holds 4 bytes after the end of the bundle", path.display()));
    }
}

#[test]
fn arriving_delta_is_checked_in_pieces() {
    let fixture = Fixture::small();
    let files = delta(&fixture, &[3, 4], None);
    let (payload, path) = (&fixture.payload, fixture.folder.path().join("arriving"));
    let whole = std::fs::read(fixture.stick().join(&files[0].name)).unwrap();
    let total = whole.len() as u64;
    let head = payload.layout().head_bytes();
    let mut checked = 0;
    for arrived in [head, head + 1, head + 512, head + 5000, u64::midpoint(head, total), total - 1025, total - 1, total]
    {
        write(&path, &whole[..usize::try_from(arrived).unwrap()]);
        checked = verify_arrived(payload, &path, total, checked).unwrap();
        assert!(checked <= arrived && arrived - checked <= 1 << 20, "{checked} of {arrived}");
        assert_eq!(verify_arrived(payload, &path, total, 0).unwrap(), checked, "also by one who knows nothing");
    }
    assert_eq!(checked, total);
    for offset in [head + 9, u64::midpoint(head, total), total - 1500, total - 1] {
        write(&path, &whole);
        flip(&path, offset);
        let error = verify_arrived(payload, &path, total, 0).unwrap_err();
        assert_eq!(error.code().id, "LF1208", "{offset}: {error}");
    }
    // The announced length is too short, so the file counts as the beginning of a whole bundle.
    write(&path, &whole[..whole.len() - 7]);
    assert_eq!(verify_arrived(payload, &path, total - 7, 0).unwrap_err().code().id, "LF1215");
    let part = &fixture.stream[..fixture.stream.len() / 2];
    write(&path, part);
    assert_eq!(verify_arrived(payload, &path, part.len() as u64, 0).unwrap_err().code().id, "LF1215");
}

#[test]
fn missing_delta_part_is_named() {
    let fixture = Fixture::small();
    let files = delta(&fixture, &[5], Some(1_500_000));
    let deltas: Vec<_> = files.iter().filter(|file| file.name.contains(".delta.")).collect();
    assert!(deltas.len() > 2, "{files:?}");
    for (index, file) in deltas.iter().enumerate() {
        let path = fixture.stick().join(&file.name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = fixture.find(&fixture.stick()).unwrap_err();
        assert_eq!(error.code().id, "LF1206", "{error}");
        let wanted = if index == 0 { ".landfall" } else { file.name.as_str() };
        assert!(error.to_string().contains(wanted), "{error}");
        write(&path, &bytes);
    }
    let last = fixture.stick().join(&deltas[2].name);
    verify(&fixture.find(&last).unwrap(), "verifying", &SilentProgress).unwrap();
}

#[test]
fn part_end_is_not_delta_end() {
    // The first part ends with an entry of 512 bytes: as long as a header plus the end would be.
    let fixture = Fixture::with_blobs(&[2 << 20, 512, 3 << 20]);
    let entry = &fixture.payload.layout().entries()[4];
    fixture.pack(Some(entry.end())).unwrap();
    let first = fixture.stick().join(fixture.payload.verified_head().bundle_name().file(FileKind::Part(1)));
    assert_eq!(std::fs::metadata(&first).unwrap().len(), entry.end());
    let renamed = fixture.stick().join("first");
    #[expect(clippy::disallowed_methods, reason = "a test renames files as a user would")]
    std::fs::rename(&first, &renamed).unwrap();
    verify(&fixture.find(&renamed).unwrap(), "verifying", &SilentProgress).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a file of a test")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}
