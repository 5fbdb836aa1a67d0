//! The upload of a browser: its pieces are written here, and a child process checks them.

use std::path::Path;
use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_host_api::Uploads;
use landfall_lifecycle::operations::{ArrivedBundle, Operations};
use landfall_peer::{Problem, Upload, UploadRequest, UploadsPage};
use landfall_site::uploads::{UploadError, UploadJudge, UploadUse, UploadVerdict};

use super::changes::Changes;
use super::child::{ask, refusal};

/// Time limit for a check of the arrived pieces. The console waits longer.
const CHECK: Duration = Duration::from_secs(20);

/// Checks in a child process, which reads untrusted content and is killed after a time limit.
pub(super) struct ChildJudge(Operations);

impl ChildJudge {
    pub(super) fn new(operations: Operations) -> Self {
        Self(operations)
    }
}

/// Arguments of that process, all of them the host's own.
fn arguments(arrived: &ArrivedBundle<'_>) -> Vec<String> {
    vec![
        "check-upload".to_owned(),
        arrived.path.display().to_string(),
        format!("--checked={}", arrived.checked_bytes),
        format!("--size={}", arrived.size_bytes),
    ]
}

impl UploadJudge for ChildJudge {
    fn judge(&self, arrived: &ArrivedBundle<'_>) -> Result<UploadVerdict, Problem> {
        ask(&arguments(arrived).into(), CHECK).map_err(|refusal| *refusal.problem)
    }

    fn use_of(&self, path: &Path, bundle: Option<Sha256>) -> UploadUse {
        // If the journal cannot be read, everything stays.
        self.0.upload_use(path, bundle).unwrap_or(UploadUse::Open)
    }
}

impl Uploads for Changes {
    fn page(&self) -> Result<UploadsPage, Problem> {
        self.uploads.page().map_err(|error| error.problem())
    }

    fn begin(&self, request: &UploadRequest) -> Result<Upload, Problem> {
        self.uploads.begin(request).map_err(|error| error.problem())
    }

    fn add(&self, id: &str, offset: u64, piece: &[u8]) -> Result<Upload, Problem> {
        self.uploads.add(id, offset, piece).map_err(|error| error.problem())
    }

    fn remove(&self, id: &str) -> Result<(), Problem> {
        // A change that is about to start may read it, although no journal states that yet.
        let Ok(_working) = self.working.try_lock() else {
            let title = "the host works with the bundles that it has";
            return Err(*refusal(409, codes::REQUEST_RUNS, title).problem);
        };
        self.uploads.remove(id).map_err(|error: UploadError| error.problem())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_documents::change::Change;
    use landfall_host::paths::SitePaths;
    use landfall_media::durable;
    use landfall_media::progress::SilentProgress;
    use landfall_peer::Requester;

    use super::*;

    fn changes(root: &Path) -> Changes {
        let operations = Operations { paths: SitePaths::below(root), ..Operations::new(Arc::new(SilentProgress)) };
        durable::create_folder(&operations.paths.data()).unwrap();
        Changes::new(operations)
    }

    #[test]
    fn arguments_name_path_and_sizes_only() {
        let path = Path::new("/var/lib/landfall/uploads/bundle.landfall");
        let arrived = ArrivedBundle { path, checked_bytes: 7, size_bytes: 9 };
        let expected = ["check-upload", "/var/lib/landfall/uploads/bundle.landfall", "--checked=7", "--size=9"];
        assert_eq!(arguments(&arrived), expected);
    }

    #[test]
    fn incomplete_upload_is_not_medium() {
        let root = tempfile::tempdir().unwrap();
        let changes = changes(root.path());
        let (request, by) = ("0123abcd".to_owned(), "ada".to_owned());
        let asking = Requester { request, by, correlation: "c".to_owned(), first: None };
        let request = UploadRequest { asking, name: "../../etc/shadow".to_owned(), size_bytes: 1000 };
        let upload = Uploads::begin(&changes, &request).unwrap();
        let plan = |medium: &str| changes.plan(&Change::Upgrade { medium: medium.to_owned() });
        for medium in [upload.id.as_str(), "../../etc/shadow", "bundle.landfall"] {
            let unknown = *plan(medium).unwrap_err().problem;
            assert_eq!(unknown.code.as_deref(), Some("LF4804"), "{medium}");
        }
        let working = changes.working.lock().unwrap();
        assert_eq!(changes.remove(&upload.id).unwrap_err().code.as_deref(), Some("LF4810"));
        drop(working);
        changes.remove(&upload.id).unwrap();
        assert!(changes.page().unwrap().upload.is_none());
    }
}
