//! Slot of the one upload, which can be begun, queried and removed.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use landfall_host::paths::SitePaths;
use landfall_host::space::{FreeSpace, Space};
use landfall_media::growing::GrowingFile;
use landfall_peer::{RefusedUpload, Upload, UploadRequest, UploadsPage};

use super::error::{Result, UploadError};
use super::folder::{UploadFolder, UploadRecord};
use super::judge::{UploadJudge, UploadUse};
use crate::removable::medium_id;
use crate::room;

/// Time for which an upload that is not continued is kept.
const UNFINISHED: SignedDuration = SignedDuration::from_hours(24);
/// Time for which a complete upload is kept: people may approve on another day.
const FINISHED: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Time for which its file stays open without a piece.
const OPEN: SignedDuration = SignedDuration::from_mins(1);
/// Inodes of the upload's file, folder and record.
const INODES: u64 = 4;

/// Slot of a site's only upload.
pub struct UploadSlot<J> {
    paths: SitePaths,
    pub(super) folder: UploadFolder,
    pub(super) judge: J,
    /// The open file. Changes hold it first and lock the state later, so that queries do not wait for the disk or the
    /// judge.
    file: Mutex<Option<GrowingFile>>,
    state: Mutex<State>,
}

/// Content of the slot.
pub(super) struct State {
    pub(super) current: Option<Current>,
    pub(super) refused: Option<RefusedUpload>,
}

/// The upload.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) record: UploadRecord,
    /// Bytes that are on the disk.
    pub(super) received_bytes: u64,
    /// Bytes at the last judgment.
    pub(super) seen_bytes: u64,
}

impl<J: UploadJudge> UploadSlot<J> {
    /// Opens the slot on this host, with the upload of an earlier process. Its unchecked bytes are sent again.
    pub fn open(paths: &SitePaths, judge: J) -> Self {
        let folder = UploadFolder::of(paths);
        let current = folder.load().map(Current::from_record);
        let state = Mutex::new(State { current, refused: None });
        Self { paths: paths.clone(), folder, judge, file: Mutex::default(), state }
    }

    /// Locks the upload for a change, and returns its open file.
    pub(super) fn turn(&self) -> MutexGuard<'_, Option<GrowingFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the upload with this ID.
    pub(super) fn find_upload(&self, id: &str) -> Result<Current> {
        let current = self.state().current.clone().filter(|current| current.record.id == id);
        current.ok_or_else(|| UploadError::Unknown(id.to_owned()))
    }

    /// Returns the upload, and the space for another one.
    pub fn page(&self) -> Result<UploadsPage, UploadError> {
        let room_bytes = self.room()?.bytes;
        let state = self.state();
        let upload = state.current.as_ref().map(|current| self.describe(current));
        Ok(UploadsPage { room_bytes, upload, refused: state.refused.clone() })
    }

    /// Begins an upload. Fails if there is another one or too little space. A repeated request does not begin it again.
    pub fn begin(&self, request: &UploadRequest) -> Result<Upload, UploadError> {
        let mut file = self.turn();
        if let Some(current) = &self.state().current {
            let record = &current.record;
            let is_same = record.id == request.asking.request && record.size_bytes == request.size_bytes;
            return if is_same { Ok(self.describe(current)) } else { Err(self.runs(current)) };
        }
        let room = self.room()?;
        if room.bytes < request.size_bytes || room.inodes < INODES {
            let folder = self.folder.path().to_owned();
            return Err(UploadError::NoRoom { folder, needed_bytes: request.size_bytes, room_bytes: room.bytes });
        }
        let record = UploadRecord {
            id: request.asking.request.clone(),
            name: request.name.clone(),
            size_bytes: request.size_bytes,
            by: request.asking.by.clone(),
            begun: time_text(Timestamp::now()),
            checked_bytes: 0,
            bundle: None,
            release: None,
        };
        *file = Some(self.folder.begin(&record)?);
        let current = Current::from_record(record);
        let upload = self.describe(&current);
        *self.state() = State { current: Some(current), refused: None };
        Ok(upload)
    }

    /// Removes the upload with this ID, unless an open change reads it.
    pub fn remove(&self, id: &str) -> Result<(), UploadError> {
        let mut file = self.turn();
        let current = self.find_upload(id)?;
        if self.use_of(&current) == UploadUse::Open {
            return Err(UploadError::Needed);
        }
        *file = None;
        self.state().current = None;
        Ok(self.folder.clear()?)
    }

    /// Returns the file of the complete upload with this medium ID.
    pub fn path_of(&self, medium: &str) -> Option<PathBuf> {
        let state = self.state();
        let current = state.current.as_ref().filter(|current| current.medium().as_deref() == Some(medium));
        current.map(|_| self.folder.bundle())
    }

    /// Removes an upload that was used, or that was not continued or used in time. Does nothing while a piece arrives.
    pub fn tend(&self) {
        let Ok(mut file) = self.file.try_lock() else { return };
        let Some(current) = self.state().current.clone() else { return };
        let age = Timestamp::now().duration_since(self.folder.last_arrival());
        if age > OPEN {
            *file = None;
        }
        let is_over = match self.use_of(&current) {
            UploadUse::Open => false,
            UploadUse::Over => true,
            UploadUse::None => age > current.life(),
        };
        // The last step of an upgrade removes the upload that it used.
        if is_over || !self.folder.bundle().exists() {
            tracing::info!(name = current.record.name, "an upload is removed");
            *file = None;
            self.state().current = None;
            self.folder.clear().unwrap_or_else(|error| tracing::warn!(%error, "the folder of uploads stays"));
        }
    }

    fn use_of(&self, current: &Current) -> UploadUse {
        self.judge.use_of(&self.folder.bundle(), current.record.bundle)
    }

    /// Returns the space for an upload: the free space without the reserve.
    pub(super) fn room(&self) -> Result<Space> {
        let free = FreeSpace::at(self.folder.path())?;
        let kept = room::reserve(&self.paths, self.folder.path())?;
        Ok(Space {
            bytes: free.bytes.saturating_sub(kept.bytes),
            inodes: free.inodes.map_or(INODES, |inodes| inodes.saturating_sub(kept.inodes)),
        })
    }

    fn runs(&self, current: &Current) -> UploadError {
        UploadError::Runs {
            by: current.record.by.clone(),
            name: current.record.name.clone(),
            received_bytes: current.received_bytes,
            size_bytes: current.record.size_bytes,
            continued: time_text(self.folder.last_arrival()),
        }
    }

    pub(super) fn describe(&self, current: &Current) -> Upload {
        let UploadRecord { id, name, size_bytes, by, begun, checked_bytes, release, .. } = current.record.clone();
        let expires = self.folder.last_arrival().checked_add(current.life()).unwrap_or(Timestamp::MAX);
        Upload {
            id,
            name,
            size_bytes,
            received_bytes: current.received_bytes,
            checked_bytes,
            by,
            begun,
            expires: time_text(expires),
            release,
            medium: current.medium(),
        }
    }
}

impl Current {
    /// Returns the part of an ended process's upload that counts.
    fn from_record(record: UploadRecord) -> Self {
        let checked = record.checked_bytes;
        Self { record, received_bytes: checked, seen_bytes: checked }
    }

    /// Returns true if all of it has arrived and was checked.
    pub(super) fn is_whole(&self) -> bool {
        self.received_bytes == self.record.size_bytes && self.record.checked_bytes == self.record.size_bytes
    }

    fn life(&self) -> SignedDuration {
        if self.is_whole() { FINISHED } else { UNFINISHED }
    }

    fn medium(&self) -> Option<String> {
        self.is_whole().then(|| medium_id(&[b"uploaded", self.record.id.as_bytes()]))
    }
}

/// Formats a time as in documents.
pub(super) fn time_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
