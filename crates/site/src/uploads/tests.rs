//! Tests of the slot with real files and a judge that the test controls.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use landfall_bundle_spec::Sha256;
use landfall_host::paths::SitePaths;
use landfall_media::power::{Fate, Recording};
use landfall_media::{durable, mounted};
use landfall_peer::{Problem, Requester, Upload, UploadRequest};

use super::*;

const MIB: u64 = 1 << 20;

/// A judge that accepts all arrived data, unless it is told otherwise.
#[derive(Clone, Default)]
struct Judge(Arc<Mutex<JudgeState>>);

struct JudgeState {
    /// True if the head has arrived.
    knows: bool,
    problem: Option<Problem>,
    fails: bool,
    using: UploadUse,
    /// Checked and arrived bytes at each judgment.
    asked: Vec<(u64, u64)>,
}

impl Default for JudgeState {
    fn default() -> Self {
        Self { knows: true, problem: None, fails: false, using: UploadUse::None, asked: Vec::new() }
    }
}

const BUNDLE: Sha256 = Sha256([7; 32]);

fn problem(status: u16, code: &str) -> Problem {
    let (title, code) = ("the bundle is refused".to_owned(), Some(code.into()));
    Problem { status, title, detail: None, code, hint: None }
}

impl UploadJudge for Judge {
    fn judge(&self, arrived: &ArrivedBundle<'_>) -> Result<UploadVerdict, Problem> {
        let mut told = self.0.lock().unwrap();
        let length = arrived.path.metadata().unwrap().len();
        told.asked.push((arrived.checked_bytes, length));
        if told.fails {
            return Err(problem(503, "LF4808"));
        }
        let known = UploadVerdict { checked_bytes: length, bundle: Some(BUNDLE), release: None, problem: None };
        let verdict = if told.knows { known } else { UploadVerdict::default() };
        Ok(UploadVerdict { problem: told.problem.clone(), ..verdict })
    }

    fn use_of(&self, _path: &Path, _bundle: Option<Sha256>) -> UploadUse {
        self.0.lock().unwrap().using
    }
}

struct Place {
    paths: SitePaths,
    judge: Judge,
    slot: UploadSlot<Judge>,
}

impl Place {
    fn below(root: &Path) -> Self {
        let (paths, judge) = (SitePaths::below(root), Judge::default());
        durable::create_folder(&paths.data()).unwrap();
        Self { slot: UploadSlot::open(&paths, judge.clone()), paths, judge }
    }

    /// Ends the process and begins another one.
    fn restart(self) -> Self {
        let Self { paths, judge, slot } = self;
        drop(slot);
        Self { slot: UploadSlot::open(&paths, judge.clone()), paths, judge }
    }

    fn tell(&self, change: impl FnOnce(&mut JudgeState)) {
        change(&mut self.judge.0.lock().unwrap());
    }

    fn upload(&self) -> Option<Upload> {
        self.slot.page().unwrap().upload
    }

    fn add(&self, offset: u64, length: u64) -> Result<Upload, UploadError> {
        self.slot.add(ID, offset, &vec![1; usize::try_from(length).unwrap()])
    }

    /// Adds a piece, and returns the counted bytes, or status and code of the refusal.
    fn add_piece(&self, offset: u64, length: u64) -> Result<u64, (u16, String)> {
        self.add(offset, length).map(|upload| upload.received_bytes).map_err(|error| status_and_code(&error))
    }

    fn is_empty(&self) -> bool {
        !self.paths.uploads().exists() && self.upload().is_none()
    }

    /// Sets the time since the last piece.
    fn wait(&self, time: Duration) {
        let file = File::options().write(true).open(self.paths.uploads().join("bundle.landfall")).unwrap();
        file.set_modified(SystemTime::now() - time).unwrap();
    }
}

fn status_and_code(error: &UploadError) -> (u16, String) {
    let problem = error.problem();
    (problem.status, problem.code.unwrap().to_string())
}

const ID: &str = "0123abcd";

fn request(id: &str, size_bytes: u64) -> UploadRequest {
    let (by, correlation) = ("ada".to_owned(), "c".to_owned());
    let asking = Requester { request: id.to_owned(), by, correlation, first: None };
    UploadRequest { asking, name: "../../etc/shadow".to_owned(), size_bytes }
}

#[test]
fn upload_name_never_becomes_path() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    let begun = place.slot.begin(&request(ID, 3 * MIB)).unwrap();
    assert_eq!((begun.received_bytes, begun.by.as_str(), begun.name.as_str()), (0, "ada", "../../etc/shadow"));
    assert_eq!(place.slot.begin(&request(ID, 3 * MIB)).unwrap(), begun, "sent again, begun once");
    assert_eq!(place.add_piece(0, 700), Ok(700));
    assert_eq!(place.add_piece(700, 2 * MIB), Ok(700 + 2 * MIB));
    let upload = place.upload().unwrap();
    assert!(upload.medium.is_none() && upload.as_medium().is_none(), "it is not whole: {upload:?}");
    let upload = place.add(700 + 2 * MIB, MIB - 700).unwrap();
    let medium = upload.as_medium().unwrap();
    assert!(landfall_peer::is_id(&medium.id) && medium.place == "uploaded by ada");
    let path = place.slot.path_of(&medium.id).unwrap();
    assert_eq!(
        (path.clone(), path.metadata().unwrap().len()),
        (place.paths.uploads().join("bundle.landfall"), 3 * MIB)
    );
    assert!(place.slot.path_of(ID).is_none() && place.slot.path_of("").is_none());
    let mut names: Vec<_> =
        fs_err::read_dir(place.paths.uploads()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bundle.landfall", "upload.json"]);
    assert_eq!(place.judge.0.lock().unwrap().asked, [(0, 700 + 2 * MIB), (700 + 2 * MIB, 3 * MIB)]);
}

#[test]
fn second_upload_names_first_owner() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    place.slot.begin(&request(ID, 3 * MIB)).unwrap();
    place.add(0, MIB).unwrap();
    let error = place.slot.begin(&request("ffffffff", 10)).unwrap_err();
    assert_eq!(status_and_code(&error), (409, "LF5048".to_owned()));
    let text = error.to_string();
    assert!(text.starts_with("ada uploads ../../etc/shadow: 1048576 of 3145728 bytes had arrived at 20"), "{text}");
    assert_eq!(status_and_code(&place.slot.begin(&request(ID, 10)).unwrap_err()).1, "LF5048", "the id of another one");
    assert_eq!(status_and_code(&place.slot.remove("ffffffff").unwrap_err()), (404, "LF5024".to_owned()));
    place.slot.remove(ID).unwrap();
    assert!(place.is_empty());
    place.slot.begin(&request("ffffffff", 10)).unwrap();
}

#[test]
fn misplaced_and_surplus_pieces_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    assert_eq!(place.add_piece(0, 1), Err((404, "LF5024".to_owned())));
    place.slot.begin(&request(ID, 1000)).unwrap();
    assert_eq!(place.add_piece(0, 600), Ok(600));
    for offset in [0, 599, 601, u64::MAX] {
        assert_eq!(place.add_piece(offset, 100), Err((409, "LF5049".to_owned())), "{offset}");
    }
    assert_eq!(place.add_piece(600, 401), Err((413, "LF5050".to_owned())));
    assert_eq!(place.slot.add("ffffffff", 600, b"x").map_err(|error| status_and_code(&error).0), Err(404));
    assert_eq!(place.upload().unwrap().received_bytes, 600);
    assert_eq!(place.add_piece(600, 400), Ok(1000));
    assert_eq!(place.add_piece(1000, 1), Err((413, "LF5050".to_owned())), "an endless one ends");
    assert_eq!(place.add_piece(1000, 0), Ok(1000));
}

#[test]
fn refused_upload_leaves_only_reason() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    place.slot.begin(&request(ID, 100 * MIB)).unwrap();
    place.tell(|told| told.problem = Some(problem(422, "LF1105")));
    assert_eq!(place.add_piece(0, MIB), Err((422, "LF1105".to_owned())));
    assert!(place.is_empty());
    let refused = place.slot.page().unwrap().refused.unwrap();
    assert_eq!((refused.by.as_str(), refused.problem.code.as_deref()), ("ada", Some("LF1105")));
    assert_eq!(place.add_piece(MIB, MIB), Err((404, "LF5024".to_owned())));
    place.tell(|told| told.problem = None);
    place.slot.begin(&request("ffffffff", 10)).unwrap();
    assert!(place.slot.page().unwrap().refused.is_none());
}

#[test]
fn failed_judgment_is_repeated() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    place.slot.begin(&request(ID, MIB)).unwrap();
    place.tell(|told| told.fails = true);
    assert_eq!(place.add_piece(0, MIB), Err((503, "LF4808".to_owned())));
    let upload = place.upload().unwrap();
    assert!(upload.received_bytes == MIB && upload.medium.is_none(), "{upload:?}");
    place.tell(|told| told.fails = false);
    assert!(place.add(MIB, 0).unwrap().medium.is_some(), "an empty piece is enough");
}

#[test]
fn judgment_steps_grow_after_head() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    place.slot.begin(&request(ID, 80 * MIB)).unwrap();
    place.tell(|told| told.knows = false);
    let mut offset = 0;
    let mut arrive = |until: u64| {
        while offset < until {
            offset = place.add_piece(offset, MIB / 2).unwrap();
        }
    };
    arrive(3 * MIB);
    place.tell(|told| told.knows = true);
    arrive(80 * MIB);
    let expected = [(0, 1), (0, 2), (0, 3), (0, 4), (4, 36), (36, 68), (68, 80)];
    let asked = place.judge.0.lock().unwrap().asked.clone();
    assert_eq!(asked, expected.map(|(checked, arrived)| (checked * MIB, arrived * MIB)));
}

#[test]
fn restart_keeps_only_checked_bytes() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    place.slot.begin(&request(ID, 40 * MIB)).unwrap();
    assert_eq!(place.add_piece(0, MIB), Ok(MIB));
    assert_eq!(place.add_piece(MIB, 5 * MIB), Ok(6 * MIB));
    let place = place.restart();
    let upload = place.upload().unwrap();
    assert_eq!((upload.received_bytes, upload.checked_bytes, upload.by.as_str()), (MIB, MIB, "ada"));
    assert_eq!(place.add_piece(6 * MIB, MIB), Err((409, "LF5049".to_owned())), "the sender learns where to continue");
    assert_eq!(place.add_piece(MIB, 39 * MIB), Ok(40 * MIB));
    let medium = place.upload().unwrap().medium.unwrap();
    let place = place.restart();
    assert_eq!(place.upload().unwrap().medium, Some(medium), "one that is whole stays whole");
    // A file that lost checked bytes is not accepted.
    let file = File::options().write(true).open(place.paths.uploads().join("bundle.landfall")).unwrap();
    file.set_len(39 * MIB).unwrap();
    assert!(place.restart().is_empty());
}

#[test]
fn cut_upload_vanishes_or_continues() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    let size = 2 * MIB + 5;
    let recording = Recording::begin(root.path()).unwrap();
    place.slot.begin(&request(ID, size)).unwrap();
    for (offset, length) in [(0, MIB), (MIB, MIB), (2 * MIB, 5)] {
        place.add(offset, length).unwrap();
    }
    let states = recording.end(&[Fate::Lost, Fate::Kept, Fate::Torn, Fate::Mixed(1), Fate::Mixed(2)]);
    assert!(states.len() > 10, "{}", states.len());
    let mut continued = 0;
    for left in &states {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("left");
        left.place(&root).unwrap();
        let place = Place::below(&root);
        let Some(upload) = place.upload() else {
            assert!(place.is_empty(), "after {} acts, {:?}", left.edge, left.fate);
            continue;
        };
        let received = upload.received_bytes;
        let bytes = fs_err::read(place.paths.uploads().join("bundle.landfall")).unwrap();
        let counted = &bytes[..usize::try_from(received).unwrap()];
        assert!(counted.iter().all(|byte| *byte == 1), "after {} acts, {:?}", left.edge, left.fate);
        assert_eq!(place.add_piece(received, size - received), Ok(size));
        assert!(place.upload().unwrap().medium.is_some());
        continued += 1;
    }
    assert!(continued > 3, "{continued}");
}

#[test]
fn unreadable_record_drops_upload() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    place.slot.begin(&request(ID, 40 * MIB)).unwrap();
    durable::write_file(&place.paths.uploads().join("upload.json"), b"{\"id\": ", 0o600).unwrap();
    assert!(place.restart().is_empty());
}

#[test]
fn upload_expires_unless_in_use() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
    place.slot.begin(&request(ID, 2000)).unwrap();
    place.add(0, 1000).unwrap();
    place.wait(day.saturating_sub(hour));
    place.slot.tend();
    assert_eq!(place.add_piece(1000, 500), Ok(1500), "it is continued");
    place.wait(day + hour);
    place.slot.tend();
    assert!(place.is_empty());

    place.slot.begin(&request(ID, 1000)).unwrap();
    place.add(0, 1000).unwrap();
    place.wait(6 * day);
    place.slot.tend();
    assert!(place.upload().is_some_and(|upload| upload.medium.is_some()), "people approve on another day");
    place.tell(|told| told.using = UploadUse::Open);
    place.wait(30 * day);
    place.slot.tend();
    assert_eq!(status_and_code(&place.slot.remove(ID).unwrap_err()), (409, "LF5051".to_owned()));
    assert!(place.upload().is_some());
    place.tell(|told| told.using = UploadUse::Over);
    place.slot.tend();
    assert!(place.is_empty());
}

#[test]
fn upgrade_removes_only_used_upload() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::below(root.path());
    remove_used_upload(&place.paths, BUNDLE).unwrap();
    place.slot.begin(&request(ID, 1000)).unwrap();
    remove_used_upload(&place.paths, BUNDLE).unwrap();
    place.add(0, 1000).unwrap();
    remove_used_upload(&place.paths, Sha256([8; 32])).unwrap();
    assert!(place.upload().is_some() && place.paths.uploads().exists());
    remove_used_upload(&place.paths, BUNDLE).unwrap();
    place.slot.tend();
    assert!(place.is_empty());
    place.slot.begin(&request(ID, 1000)).unwrap();
    remove_upload(&place.paths).unwrap();
    assert!(!place.paths.uploads().exists());
}

#[test]
fn full_disk_keeps_arrived_pieces() {
    let test = "uploads::tests::full_disk_keeps_arrived_pieces";
    let Some(disk) = mounted::on_tmpfs(test, "size=4g,nr_inodes=100k") else { return };
    let place = Place::below(&disk);
    let room = place.slot.page().unwrap().room_bytes;
    assert!(room > 2 << 30 && room < 3 << 30, "{room} bytes of 4 GiB: the reserve is not for uploads");
    let error = place.slot.begin(&request(ID, room + (64 << 20))).unwrap_err();
    assert_eq!(status_and_code(&error), (413, "LF1202".to_owned()));
    assert!(error.problem().hint.unwrap().contains("on a stick") && place.is_empty());
    place.slot.begin(&request(ID, 10 * MIB)).unwrap();
    assert_eq!(place.add_piece(0, MIB), Ok(MIB));
    let resize = |options: &std::ffi::CStr| {
        rustix::mount::mount_remount(&disk, rustix::mount::MountFlags::empty(), options).unwrap();
    };
    resize(c"size=512m");
    let error = place.add(MIB, MIB).unwrap_err();
    assert_eq!(status_and_code(&error), (507, "LF1202".to_owned()));
    assert_eq!(place.upload().unwrap().received_bytes, MIB);
    resize(c"size=4g");
    assert_eq!(place.add_piece(MIB, 9 * MIB), Ok(10 * MIB));
}
