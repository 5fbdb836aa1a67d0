//! Files in the folder: reports for software, and kept answers for the next start of this program.

use std::path::{Path, PathBuf};

use landfall_license::answer::{KeptAnswer, Report, Subject};
use landfall_media::durable;

/// Mode of the files, which software of any user may read.
const MODE: u32 = 0o644;

/// Maximum size of a kept answer's file, in bytes.
const KEPT_BYTES: u64 = 16 << 10;

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// Path of a report for software: `entitlement-NAME.json` or `feature-NAME.json`. Names are DNS labels.
    pub fn report_path(&self, subject: &Subject) -> PathBuf {
        self.0.join(format!("{}-{}.json", subject.kind(), subject.name()))
    }

    fn kept_path(&self, subject: &Subject) -> PathBuf {
        self.0.join(format!("{}-{}.kept", subject.kind(), subject.name()))
    }

    /// All kept answers. An unreadable file is skipped; the content is verified later.
    pub fn all_kept(&self) -> Vec<(Subject, KeptAnswer)> {
        let entries = fs_err::read_dir(&self.0).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| kept_at(&entry.path())).collect()
    }

    /// Writes an answer to keep, with its age. The error names the file.
    pub fn write_kept(&self, subject: &Subject, kept: &KeptAnswer) -> Result<(), String> {
        write(&self.kept_path(subject), &serde_json::to_vec(kept))
    }

    /// Writes a report and, if there is a new one, the answer to keep. The error names the file.
    pub fn write(&self, report: &Report, kept: Option<&KeptAnswer>) -> Result<(), String> {
        if let Some(kept) = kept {
            self.write_kept(&report.subject, kept)?;
        }
        write(&self.report_path(&report.subject), &serde_json::to_vec_pretty(report))
    }
}

fn kept_at(path: &Path) -> Option<(Subject, KeptAnswer)> {
    let (kind, name) = path.file_name()?.to_str()?.strip_suffix(".kept")?.split_once('-')?;
    let subject = Subject::new(kind, name).ok()?;
    fs_err::metadata(path).ok().filter(|found| found.is_file() && found.len() <= KEPT_BYTES)?;
    Some((subject, serde_json::from_slice(&fs_err::read(path).ok()?).ok()?))
}

fn write(path: &Path, content: &serde_json::Result<Vec<u8>>) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("{} cannot be written: {why}", path.display());
    let bytes = content.as_ref().map_err(|error| failed(error))?;
    durable::write_file(path, bytes, MODE).map_err(|error| failed(&error))
}
