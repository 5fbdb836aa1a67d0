//! Uploads of the simulated host: on a real disk, and verified like at a site, with the test's own vendor.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::{KeyKind, TrustAnchor};
use landfall_bundle_spec::{Error as FormatError, Sha256, Verified};
use landfall_error_codes::CodedError;
use landfall_host::paths::SitePaths;
use landfall_host_api::Uploads;
use landfall_lifecycle::operations::ArrivedBundle;
use landfall_media::verify::verify_arrived;
use landfall_media::{Payload, durable};
use landfall_peer::{MediumRelease, Problem, Upload, UploadRequest, UploadsPage};
use landfall_site::uploads::{UploadJudge, UploadSlot, UploadUse, UploadVerdict};
use tempfile::TempDir;

/// The vendor whose bundles the simulated site accepts, and the current upload.
pub(crate) struct UploadDesk {
    pub(crate) vendor: Vendor,
    slot: UploadSlot<Judge>,
    /// Offset of each piece.
    offsets: Mutex<Vec<u64>>,
    _folder: TempDir,
}

struct Judge(TrustAnchor);

impl UploadDesk {
    /// Creates a desk without an upload.
    pub(crate) fn begin() -> Result<Self> {
        let (vendor, folder) = (Vendor::new(KeyKind::Ed25519)?, tempfile::tempdir()?);
        let paths = SitePaths::below(folder.path());
        durable::create_folder(&paths.data())?;
        let slot = UploadSlot::open(&paths, Judge(vendor.anchor()));
        Ok(Self { vendor, slot, offsets: Mutex::default(), _folder: folder })
    }

    /// Returns the upload, if there is one.
    pub(crate) fn upload(&self) -> Option<Upload> {
        self.slot.page().ok()?.upload
    }

    /// Returns the offset of each piece, in the order of arrival.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn to_problem(error: &dyn CodedError) -> Problem {
    let code = error.code();
    Problem {
        status: 422,
        title: error.to_string(),
        detail: None,
        code: Some(code.into()),
        hint: Some(code.fix.to_owned()),
    }
}

impl UploadJudge for Judge {
    fn judge(&self, arrived: &ArrivedBundle<'_>) -> Result<UploadVerdict, Problem> {
        let failed = |error: &std::io::Error| Problem {
            status: 503,
            title: error.to_string(),
            detail: None,
            code: None,
            hint: None,
        };
        let file = File::open(arrived.path).map_err(|error| failed(&error))?;
        let length = file.metadata().map_err(|error| failed(&error))?.len();
        let refusal = |problem| UploadVerdict { problem: Some(problem), ..UploadVerdict::default() };
        let verified = match Verified::read(BufReader::new(file), &self.0) {
            Err(FormatError::Truncated { .. }) if length < arrived.size_bytes => return Ok(UploadVerdict::default()),
            Err(error) => return Ok(refusal(to_problem(&error))),
            Ok(verified) => verified,
        };
        let (bundle, identity) = (Some(verified.id()), verified.identity());
        let release = Some(MediumRelease {
            name: identity.name,
            version: identity.version,
            built_at: Some(identity.built_at),
            development: true,
            newer: false,
            counter: Some(identity.counter),
        });
        Ok(match verify_arrived(&Payload::from(verified), arrived.path, arrived.size_bytes, arrived.checked_bytes) {
            Ok(checked_bytes) => UploadVerdict { checked_bytes, bundle, release, problem: None },
            Err(error) => refusal(to_problem(&error)),
        })
    }

    fn use_of(&self, _path: &Path, _bundle: Option<Sha256>) -> UploadUse {
        UploadUse::None
    }
}

impl Uploads for UploadDesk {
    fn page(&self) -> Result<UploadsPage, Problem> {
        self.slot.page().map_err(|error| error.problem())
    }

    fn begin(&self, request: &UploadRequest) -> Result<Upload, Problem> {
        self.slot.begin(request).map_err(|error| error.problem())
    }

    fn add(&self, id: &str, offset: u64, piece: &[u8]) -> Result<Upload, Problem> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner).push(offset);
        self.slot.add(id, offset, piece).map_err(|error| error.problem())
    }

    fn remove(&self, id: &str) -> Result<(), Problem> {
        self.slot.remove(id).map_err(|error| error.problem())
    }
}
