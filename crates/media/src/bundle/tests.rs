#![expect(clippy::disallowed_methods, reason = "files of a test")]

use std::fs::File;
use std::io::{Read, Write};

use landfall_bundle_spec::parts::FileKind;
use landfall_bundle_spec::{Opened, Verified};
use landfall_error_codes::CodedError;

use super::*;
use crate::progress::SilentProgress;
use crate::testing::{Fixture, flip, random_bytes};
use crate::verify::verify;

fn code(result: Result<BundleMedia>) -> &'static str {
    result.unwrap_err().code().id
}

/// Finds and verifies a damaged bundle; returns the code and the message of the error.
fn refusal(fixture: &Fixture, path: &Path) -> (&'static str, String) {
    let error = match fixture.find(path) {
        Err(error) => error,
        Ok(media) => verify(&media, "verifying", &SilentProgress).unwrap_err(),
    };
    (error.code().id, error.to_string())
}

#[expect(clippy::disallowed_methods, reason = "a test mixes up files as a user would")]
fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

#[test]
fn files_and_folder_locate_bundle() {
    let fixture = Fixture::small();
    let parts = fixture.parts();
    assert!(parts.len() > 3, "{parts:?}");
    let stick = fixture.stick();
    for foreign in ["notes.txt", "empty", "starter-1.0.0-000000000000.landfall.002"] {
        File::create(stick.join(foreign)).unwrap().write_all(&random_bytes(2000, 1)).unwrap();
    }
    let head = stick.join(fixture.payload.verified_head().bundle_name().file(FileKind::Head));
    for path in parts.iter().chain([&stick, &head]) {
        let located = locate(path).unwrap();
        let opened = Opened::read(located.head().unwrap()).unwrap();
        assert_eq!(opened.untrusted_contents().id(), fixture.payload.verified_head().id());
        let media = located.assemble(fixture.payload.clone(), Counters::new()).unwrap();
        let found: Vec<_> = media.parts().iter().map(|part| part.path.clone()).collect();
        assert_eq!(found, parts);
        verify(&media, "verifying", &SilentProgress).unwrap();
        assert!(
            media.counters().totals().read_bytes < fixture.stream.len() as u64 + (parts.len() as u64 + 1) * (1 << 20)
        );
    }
    let notes = locate(&stick.join("notes.txt")).unwrap().head().unwrap();
    assert_eq!(Opened::read(notes).unwrap_err().code().id, "LF1002");
    assert_eq!(locate(&stick.join("starter-1.0.0-000000000000.landfall.002")).unwrap_err().code().id, "LF1206");
    assert_eq!(locate(fixture.folder.path()).unwrap_err().code().id, "LF1204");
    assert_eq!(locate(&stick.join("absent")).unwrap_err().code().id, "LF1204");
}

#[test]
fn parts_read_as_one_stream() {
    let fixture = Fixture::small();
    fixture.parts();
    let media = fixture.find(&fixture.stick()).unwrap();
    for (offset, length) in [(0, fixture.stream.len()), (3_000_000, 3_000_000), (fixture.stream.len() - 1, 1)] {
        let mut bytes = vec![0; length];
        media.read_at(offset as u64, &mut bytes).unwrap();
        assert!(bytes == fixture.stream[offset..offset + length]);
    }
    let error = media.read_at(fixture.stream.len() as u64, &mut [0]).unwrap_err();
    assert!(error.to_string().contains("is in no part of the bundle"), "{error}");
}

#[test]
fn bundles_in_folder_are_distinguished() {
    let (one, other) = (Fixture::small(), Fixture::with_blobs(&[3 << 20]));
    one.parts();
    let path = other.pack(None).map(|files| other.stick().join(&files[0].name)).unwrap();
    let beside = one.stick().join(path.file_name().unwrap());
    std::fs::copy(&path, &beside).unwrap();
    let error = locate(&one.stick()).unwrap_err();
    assert_eq!(error.code().id, "LF1205");
    verify(&other.find(&beside).unwrap(), "verifying", &SilentProgress).unwrap();
    let first = one.stick().join(one.payload.verified_head().bundle_name().file(FileKind::Part(1)));
    verify(&one.find(&first).unwrap(), "verifying", &SilentProgress).unwrap();
}

#[test]
fn missing_parts_are_named() {
    for missing in 0..4 {
        let fixture = Fixture::small();
        let parts = fixture.parts();
        std::fs::remove_file(&parts[missing]).unwrap();
        let (code, message) = refusal(&fixture, &fixture.stick());
        assert_eq!(code, "LF1206", "{message}");
        let name = if missing == 0 { FileKind::Part(1) } else { FileKind::Part(missing + 1) };
        assert!(message.contains(&fixture.payload.verified_head().bundle_name().file(name)), "{message}");
    }
}

#[test]
fn swapped_and_foreign_parts_are_named() {
    let fixture = Fixture::small();
    let parts = fixture.parts();
    let aside = fixture.stick().join("aside");
    for (from, to) in [(&parts[1], &aside), (&parts[2], &parts[1]), (&aside, &parts[2])] {
        rename(from, to);
    }
    let (code, message) = refusal(&fixture, &fixture.stick());
    assert_eq!(code, "LF1216", "{message}");
    assert!(message.starts_with(&parts[1].display().to_string()), "{message}");

    let other = Fixture::with_blobs(&[1, 1 << 20, 5_767_169, 3_000_001, 40_000]);
    let fixture = Fixture::small();
    let parts = fixture.parts();
    std::fs::copy(&other.parts()[2], &parts[2]).unwrap();
    let (code, message) = refusal(&fixture, &fixture.stick());
    assert_eq!(code, "LF1207", "{message}");
    assert!(message.starts_with(&parts[2].display().to_string()), "{message}");
}

#[test]
fn renamed_parts_are_recognized() {
    let fixture = Fixture::small();
    let mut parts = fixture.parts();
    for (index, part) in parts.iter_mut().enumerate() {
        let renamed = fixture.stick().join(format!("x{}", (index * 7) % 5));
        rename(part, &renamed);
        *part = renamed;
    }
    let media = fixture.find(&parts[0]).unwrap();
    assert!(media.parts().iter().map(|part| &part.path).eq(&parts));
    verify(&media, "verifying", &SilentProgress).unwrap();
}

#[test]
fn truncation_anywhere_is_refused() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    let head = fixture.payload.layout().head_bytes();
    for step in 0..20 {
        let length = head + 1 + (fixture.stream.len() as u64 - head - 2) * step / 19;
        File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        let (code, message) = refusal(&fixture, &path);
        assert_eq!(code, "LF1215", "{length}: {message}");
        File::create(&path).unwrap().write_all(&fixture.stream).unwrap();
    }
    // Only the head remains, so it looks like a head sent ahead of missing parts.
    File::options().write(true).open(&path).unwrap().set_len(head).unwrap();
    assert_eq!(code(fixture.find(&path)), "LF1206");
}

#[test]
fn truncated_and_lengthened_parts_are_refused() {
    for (part, change) in [(0_usize, -1_i64), (1, -1), (1, -(1 << 20)), (1, 1), (2, 512)] {
        let fixture = Fixture::small();
        let parts = fixture.parts();
        let file = File::options().write(true).open(&parts[part]).unwrap();
        let length = file.metadata().unwrap().len().checked_add_signed(change).unwrap();
        file.set_len(length).unwrap();
        let (code, message) = refusal(&fixture, &fixture.stick());
        assert!(["LF1215", "LF1207"].contains(&code), "part {part} by {change}: {code} {message}");
    }
}

#[test]
fn short_part_is_truncated_not_foreign() {
    for length in [1, 100, 400] {
        let fixture = Fixture::small();
        let parts = fixture.parts();
        for part in &parts[1..] {
            File::options().write(true).open(part).unwrap().set_len(length).unwrap();
        }
        let (code, message) = refusal(&fixture, &fixture.stick());
        assert_eq!(code, "LF1215", "{length}: {message}");
        assert!(message.starts_with(&parts[1].display().to_string()), "{message}");
    }
}

#[test]
fn trailing_data_is_refused() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap();
    let (code, message) = refusal(&fixture, &path);
    assert_eq!((code, message.ends_with("holds 1 bytes after the end of the bundle")), ("LF1209", true), "{message}");

    let fixture = Fixture::small();
    let last = fixture.parts().pop().unwrap();
    File::options().append(true).open(&last).unwrap().write_all(&[0; 512]).unwrap();
    assert_eq!(refusal(&fixture, &fixture.stick()).0, "LF1209");
}

#[test]
fn flipped_bytes_are_located() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    let head = Fixture::small().payload.layout().head_bytes();
    let layout = fixture.payload.layout();
    for segment in layout.segments() {
        for within in [0, segment.length / 2, segment.length.saturating_sub(1)] {
            let offset = segment.offset + within;
            flip(&path, offset);
            let (code, message) = refusal(&fixture, &path);
            // A flip in landfall.json makes it a different bundle, which opening the head refuses.
            assert!(code == "LF1208" || (offset < head && code.starts_with("LF12")), "{offset}: {code} {message}");
            assert!(message.contains(&path.display().to_string()) || offset < head, "{message}");
            flip(&path, offset);
        }
    }
    verify(&fixture.find(&path).unwrap(), "verifying", &SilentProgress).unwrap();
}

#[test]
fn damaged_part_start_is_not_foreign() {
    let fixture = Fixture::small();
    let parts = fixture.parts();
    flip(&parts[1], 10);
    let (code, message) = refusal(&fixture, &fixture.stick());
    assert_eq!(code, "LF1208", "{message}");
    assert!(message.starts_with(&format!("{} is damaged at byte 0:", parts[1].display())), "{message}");
}

#[test]
fn lone_head_defers_missing_parts() {
    let fixture = Fixture::small();
    fixture.parts();
    let head = fixture.folder.path().join("sent-ahead");
    std::fs::create_dir(&head).unwrap();
    let head = head.join("mail attachment");
    File::create(&head).unwrap().write_all(fixture.payload.verified_head().head_bytes()).unwrap();
    let located = locate(&head).unwrap();
    let mut bytes = Vec::new();
    located.head().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, fixture.payload.verified_head().head_bytes());
    assert_eq!(code(located.assemble(fixture.payload.clone(), Counters::new())), "LF1206");
}

/// Goes from a path to a verified bundle, as a command does, and returns the exit code of the error.
fn exit_code(path: &Path, fixture: &Fixture) -> u8 {
    let located = match locate(path) {
        Ok(located) => located,
        Err(error) => return error.code().class.exit_code(),
    };
    let opened = match Opened::read(located.head().unwrap()) {
        Ok(opened) => opened,
        Err(error) => return error.code().class.exit_code(),
    };
    if opened.untrusted_contents().landfall_bytes() != fixture.payload.verified_head().landfall_bytes() {
        // The signature does not match.
        return 3;
    }
    match located.assemble(fixture.payload.clone(), Counters::new()) {
        Ok(media) => verify(&media, "verifying", &SilentProgress).unwrap_err().code().class.exit_code(),
        Err(error) => error.code().class.exit_code(),
    }
}

#[test]
fn head_damage_is_refusal() {
    let fixture = Fixture::small();
    let stick = fixture.stick();
    let whole = stick.join(&fixture.pack(None).unwrap()[0].name);
    let header_and_document = [0, 50, 130, 256, 300, 511, 512, 700];
    for offset in header_and_document {
        flip(&whole, offset);
        assert_eq!(exit_code(&whole, &fixture), 3, "byte {offset}");
        assert_eq!(exit_code(&stick, &fixture), 3, "byte {offset}, by its folder");
        flip(&whole, offset);
    }
    for length in [0, 1, 512, 513, 2000] {
        File::options().write(true).open(&whole).unwrap().set_len(length).unwrap();
        assert_eq!(exit_code(&whole, &fixture), 3, "{length} bytes");
        assert_eq!(exit_code(&stick, &fixture), 3, "{length} bytes, by its folder");
        File::create(&whole).unwrap().write_all(&fixture.stream).unwrap();
    }
}

#[test]
fn special_files_are_skipped() {
    let fixture = Fixture::small();
    let parts = fixture.parts();
    let stick = fixture.stick();
    let outside = fixture.folder.path().join("outside");
    rename(&parts[1], &outside);
    // Opening a pipe without a writer would wait forever.
    for name in ["00-pipe", "sample-1.0.0-000000000000.landfall.001"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, stick.join(name), rustix::fs::Mode::RUSR).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", stick.join("01-zeros")).unwrap();
    std::os::unix::fs::symlink(&outside, &parts[1]).unwrap();
    std::fs::create_dir(stick.join("sample-1.0.0-000000000000.landfall.002")).unwrap();
    assert_eq!(code(fixture.find(&stick)), "LF1206", "the link to the part is not followed");
    // A pipe is opened, but not read; a link is not opened.
    for (path, opened) in [("00-pipe", "LF1204"), ("01-zeros", "LF1201")] {
        assert_eq!(code(fixture.find(&stick.join(path))), "LF1204", "{path}");
        assert_eq!(open_regular(&stick.join(path)).unwrap_err().code().id, opened, "{path}");
    }
    std::fs::remove_file(&parts[1]).unwrap();
    rename(&outside, &parts[1]);
    verify(&fixture.find(&stick).unwrap(), "verifying", &SilentProgress).unwrap();
    // The path that a user gives may be a link.
    let link = fixture.folder.path().join("link");
    std::os::unix::fs::symlink(&parts[0], &link).unwrap();
    verify(&fixture.find(&link).unwrap(), "verifying", &SilentProgress).unwrap();
}

mod any_change {
    use proptest::prelude::*;

    use super::*;

    /// A change to the bytes of a file.
    #[derive(Debug, Clone)]
    enum Change {
        Overwrite(usize, Vec<u8>),
        Insert(usize, Vec<u8>),
        Remove(usize, usize),
        Swap(usize, usize, usize),
    }

    impl Change {
        fn apply(&self, bytes: &mut Vec<u8>) {
            let at = |place: &usize| place % (bytes.len() + 1);
            match self {
                Self::Overwrite(place, new) => {
                    let start = at(place);
                    let end = (start + new.len()).min(bytes.len());
                    bytes[start..end].copy_from_slice(&new[..end - start]);
                }
                Self::Insert(place, new) => drop(bytes.splice(at(place)..at(place), new.iter().copied())),
                Self::Remove(place, length) => drop(bytes.drain(at(place)..(at(place) + length).min(bytes.len()))),
                Self::Swap(one, other, length) => {
                    let (one, other) = (at(one).min(at(other)), at(one).max(at(other)));
                    let length = (*length).min(other - one).min(bytes.len() - other);
                    let (before, after) = bytes.split_at_mut(other);
                    before[one..one + length].swap_with_slice(&mut after[..length]);
                }
            }
        }
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let place = || prop_oneof![any::<usize>(), (0usize..200).prop_map(|block| block * 512)];
        let bytes = || prop_oneof![prop::collection::vec(any::<u8>(), 1..40), (1usize..1500).prop_map(|n| vec![0; n])];
        let change = prop_oneof![
            (place(), bytes()).prop_map(|(place, new)| Change::Overwrite(place, new)),
            (place(), bytes()).prop_map(|(place, new)| Change::Insert(place, new)),
            (place(), 1usize..2000).prop_map(|(place, length)| Change::Remove(place, length)),
            (place(), place(), 1usize..2000).prop_map(|(one, other, length)| Change::Swap(one, other, length)),
        ];
        prop::collection::vec(change, 1..4)
    }

    /// Returns true if the path leads to a bundle whose every byte is verified.
    fn is_accepted(stick: &Path, fixture: &Fixture) -> bool {
        let Ok(located) = locate(stick) else { return false };
        let Ok(head) = located.head() else { return false };
        let Ok(verified) = Verified::read(head, &fixture.anchor()) else { return false };
        let Ok(media) = located.assemble(verified.into(), Counters::new()) else { return false };
        verify(&media, "verifying", &SilentProgress).is_ok()
    }

    #[test]
    fn modified_files_are_refused() {
        let fixture = Fixture::with_blobs(&[1, 700, 1_050_000]);
        let name = fixture.payload.verified_head().bundle_name();
        let stick = fixture.stick();
        std::fs::create_dir(&stick).unwrap();
        let layout = fixture.payload.layout();
        let cuts = layout.parts(layout.total_bytes() - 2000).unwrap();
        assert_eq!(cuts.len(), 2);
        let write = |bytes: &[u8], cut: bool| {
            for file in std::fs::read_dir(&stick).unwrap() {
                std::fs::remove_file(file.unwrap().path()).unwrap();
            }
            let at = usize::try_from(cuts[0].end).unwrap().min(bytes.len());
            let ranges = if cut { vec![&bytes[..at], &bytes[at..]] } else { vec![bytes] };
            for (file, range) in name.parts(ranges.len()).iter().zip(ranges) {
                File::create(stick.join(file)).unwrap().write_all(range).unwrap();
            }
        };
        for cut in [false, true] {
            write(&fixture.stream, cut);
            assert!(is_accepted(&stick, &fixture));
        }
        proptest!(ProptestConfig::with_cases(300), |(changes in changes(), cut in any::<bool>())| {
            let mut bytes = fixture.stream.clone();
            for change in &changes {
                change.apply(&mut bytes);
            }
            write(&bytes, cut);
            prop_assert_eq!(is_accepted(&stick, &fixture), bytes == fixture.stream);
        });
    }
}
