//! In-memory parts of a host for tests of its clients: its key, its part of the audit log, an upload, and a support
//! bundle.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use landfall_audit::{AuditError, Checkpoint, CheckpointRequest, Ledger, SiteKey};
use landfall_error_codes::CodedError as _;
use landfall_license::answer::{Answer, Question, SealedAnswer};
use landfall_peer::{
    AuditPage, Problem, Refusal, SUPPORT_PIECE_BYTES, SupportBundle, SupportRequest, Upload, UploadRequest, UploadsPage,
};

use super::{SupportBundles, Uploads};

/// A key, and the state of its signatures.
pub struct Signer {
    /// The key.
    pub key: SiteKey,
    /// State of the signed audit log.
    pub ledger: Ledger,
}

impl Signer {
    /// Creates a signer with a new key and without signatures.
    pub fn generate() -> Result<Self, AuditError> {
        Ok(Self { key: SiteKey::generate()?, ledger: Ledger::default() })
    }

    /// Returns the host's answer about it.
    pub fn page(&self) -> AuditPage {
        AuditPage { key: self.key.public().to_pem(), last: self.ledger.last.clone() }
    }

    /// Signs the answer of a site without a license.
    pub fn answer(&self, site: &str, question: &Question, now: Timestamp) -> Result<SealedAnswer, Problem> {
        let refused = |title: String| Problem { status: 500, title, detail: None, code: None, hint: None };
        let unsigned =
            Answer::new(question, None, site, now).to_unsigned().map_err(|error| refused(error.to_string()))?;
        let signature = self.key.sign(unsigned.message()).map_err(|error| refused(error.to_string()))?;
        unsigned.seal(self.key.public().id(), signature).map_err(|error| refused(error.to_string()))
    }

    /// Signs the checkpoint of a request.
    pub fn sign(&mut self, site: &str, request: &CheckpointRequest, now: Timestamp) -> Result<Checkpoint, Problem> {
        self.ledger.sign(&self.key, site, request, now).map_err(|error| {
            let code = Some(error.code().into());
            Problem { status: 409, title: error.to_string(), detail: None, code, hint: None }
        })
    }
}

/// Beginning of an upload that the in-memory host refuses.
pub const UNSIGNED: &[u8] = b"unsigned";
/// Room for an in-memory upload.
pub const ROOM_BYTES: u64 = 1 << 30;

/// An upload in memory. All data is accepted, unless it begins with [`UNSIGNED`].
#[derive(Default)]
pub struct MemoryUploads(Mutex<ArrivedUpload>);

#[derive(Default)]
struct ArrivedUpload {
    upload: Option<Upload>,
    bytes: Vec<u8>,
}

impl MemoryUploads {
    fn lock(&self) -> MutexGuard<'_, ArrivedUpload> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the received bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }
}

fn refusal(status: u16, code: &str, title: &str) -> Problem {
    let hint = Some("do something else".to_owned());
    Problem { status, title: title.to_owned(), detail: None, code: Some(code.into()), hint }
}

impl Uploads for MemoryUploads {
    fn page(&self) -> Result<UploadsPage, Problem> {
        Ok(UploadsPage { room_bytes: ROOM_BYTES, upload: self.lock().upload.clone(), refused: None })
    }

    fn begin(&self, request: &UploadRequest) -> Result<Upload, Problem> {
        let mut arrived = self.lock();
        match &arrived.upload {
            Some(upload) if upload.id == request.asking.request => return Ok(upload.clone()),
            Some(_) => return Err(refusal(409, "LF5048", "ada uploads a bundle")),
            None if request.size_bytes > ROOM_BYTES => return Err(refusal(413, "LF1202", "there is no room for it")),
            None => {}
        }
        let upload = Upload {
            id: request.asking.request.clone(),
            name: request.name.clone(),
            size_bytes: request.size_bytes,
            received_bytes: 0,
            checked_bytes: 0,
            by: request.asking.by.clone(),
            begun: "2026-11-20T08:00:00Z".to_owned(),
            expires: "2026-11-21T08:00:00Z".to_owned(),
            release: None,
            medium: None,
        };
        *arrived = ArrivedUpload { upload: Some(upload.clone()), bytes: Vec::new() };
        Ok(upload)
    }

    fn add(&self, id: &str, offset: u64, piece: &[u8]) -> Result<Upload, Problem> {
        let mut arrived = self.lock();
        let ArrivedUpload { upload, bytes } = &mut *arrived;
        let upload = upload.as_mut().filter(|upload| upload.id == id);
        let upload = upload.ok_or_else(|| refusal(404, "LF5024", "there is no such upload"))?;
        let end = offset + piece.len() as u64;
        if offset != upload.received_bytes {
            return Err(refusal(409, "LF5049", "the piece does not follow"));
        }
        if end > upload.size_bytes {
            return Err(refusal(413, "LF5050", "the upload is longer than announced"));
        }
        bytes.extend_from_slice(piece);
        (upload.received_bytes, upload.checked_bytes) = (end, end);
        upload.medium = (end == upload.size_bytes).then(|| "0123456789abcdef".to_owned());
        let described = upload.clone();
        if bytes.starts_with(UNSIGNED) {
            *arrived = ArrivedUpload::default();
            return Err(refusal(422, "LF1104", "the bundle is not signed"));
        }
        Ok(described)
    }

    fn remove(&self, id: &str) -> Result<(), Problem> {
        let mut arrived = self.lock();
        if arrived.upload.as_ref().is_some_and(|upload| upload.id == id) {
            *arrived = ArrivedUpload::default();
            return Ok(());
        }
        Err(refusal(404, "LF5024", "there is no such upload"))
    }
}

/// Size of an in-memory support bundle in bytes: more than one piece.
pub const SUPPORT_BYTES: usize = SUPPORT_PIECE_BYTES + 1000;

/// Hours of logs for which there is no room in memory.
pub const NO_ROOM_HOURS: u32 = 167;

/// A support bundle in memory, whose bytes are not an archive.
#[derive(Default)]
pub struct MemorySupport(Mutex<Option<SupportBundle>>);

impl MemorySupport {
    fn bundle(&self) -> MutexGuard<'_, Option<SupportBundle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bytes of any bundle.
    pub fn bytes() -> Vec<u8> {
        b"support ".iter().copied().cycle().take(SUPPORT_BYTES).collect()
    }
}

impl SupportBundles for MemorySupport {
    fn kept_bundle(&self) -> Option<SupportBundle> {
        self.bundle().clone()
    }

    fn collect(&self, request: &SupportRequest) -> Result<(), Refusal> {
        if request.hours == NO_ROOM_HOURS {
            return Err(refusal(507, "LF1202", "there is no room for it").into());
        }
        *self.bundle() = Some(SupportBundle {
            id: request.asking.request.clone(),
            by: request.asking.by.clone(),
            collected: "2026-11-20T08:00:00Z".to_owned(),
            expires: "2026-11-21T08:00:00Z".to_owned(),
            hours: request.hours,
            size_bytes: SUPPORT_BYTES as u64,
            files: 80,
            truncated: 2,
            known_values: 41,
            gaps: vec!["cluster: no answer".to_owned()],
        });
        Ok(())
    }

    fn piece(&self, id: &str, offset: u64) -> Result<Vec<u8>, Problem> {
        if self.bundle().as_ref().is_none_or(|bundle| bundle.id != id) {
            return Err(refusal(404, "LF5024", "there is no such support bundle"));
        }
        let bytes = Self::bytes();
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = bytes.len().min(begin + SUPPORT_PIECE_BYTES);
        Ok(bytes[begin..end].to_vec())
    }
}
