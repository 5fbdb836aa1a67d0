//! Line of `/etc/hosts` by which every part of the cluster finds its API server, whatever the nameservers return. Other
//! software also manages that file, and may rewrite it at boot or at any time; the agent restores the line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::cases;
use landfall_media::durable;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::paths::SitePaths;
use landfall_engine::step::StepError;

/// Comment that marks Landfall's line.
const MARK: &str = "# landfall";
/// Content for a missing file, without which containerd cannot create a sandbox.
pub const MINIMAL: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// Time after which an unchanged file counts as complete.
const WRITTEN: Duration = Duration::from_secs(1);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostsEntry {
    /// The host name.
    pub name: String,
    /// Its address.
    pub address: std::net::IpAddr,
}

impl HostsEntry {
    /// Returns the path of the file.
    pub fn path(paths: &SitePaths) -> PathBuf {
        paths.host("/etc/hosts")
    }

    fn line(&self) -> String {
        format!("{} {} {MARK}", self.address, self.name)
    }

    /// Returns the text of the file without Landfall's line.
    pub fn without_landfall_line(text: &str) -> String {
        text.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(MARK)).collect()
    }

    /// Returns true if the text contains exactly this line.
    pub fn is_in(&self, text: &str) -> bool {
        text.lines().any(|line| line == self.line())
    }

    /// Returns another program's line that assigns the name an address.
    pub fn foreign(&self, text: &str) -> Option<String> {
        Self::without_landfall_line(text)
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
            .find(|line| line.split_whitespace().skip(1).any(|name| name == self.name))
    }

    /// Writes the file with Landfall's line at its end, durably; `text` is its previous content.
    pub fn write(&self, path: &Path, text: Option<&str>) -> Result<(), StepError> {
        let mut text = Self::without_landfall_line(text.unwrap_or(MINIMAL));
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&self.line());
        text.push('\n');
        Ok(durable::write_file(path, text.as_bytes(), 0o644)?)
    }

    /// Returns true if no line names the API server. Fails if another program's line gives the name another address;
    /// Landfall does not remove that line.
    fn is_gone(&self, path: &Path) -> Result<bool, StepError> {
        let text = files::read_text(path)?.unwrap_or_default();
        if self.is_in(&text) {
            return Ok(false);
        }
        let Some(line) = self.foreign(&text) else { return Ok(true) };
        let address = line.split_whitespace().next().unwrap_or_default();
        if address.parse() == Ok(self.address) {
            return Ok(false);
        }
        let what = format!("{} has `{line}` instead of `{}`", path.display(), self.line());
        Err(StepError::of(cases::HOSTS_LINE, what))
    }

    /// Restores the line if it is missing, durably: the agent does so at every boot, and while it runs. Returns true if
    /// it was missing.
    pub fn restore(&self, paths: &SitePaths) -> Result<bool, StepError> {
        let path = Self::path(paths);
        if !self.is_gone(&path)? {
            return Ok(false);
        }
        // Data written at this moment would be lost with the replaced file.
        if is_being_written(&path) {
            std::thread::sleep(WRITTEN);
            if !self.is_gone(&path)? {
                return Ok(false);
            }
        }
        self.write(&path, files::read_text(&path)?.as_deref())?;
        tracing::warn!("{} was gone from {}: written again", self.name, path.display());
        Ok(true)
    }
}

/// Returns true if a program has just written to a file, and may continue.
fn is_being_written(path: &Path) -> bool {
    let modified = fs_err::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed < WRITTEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "10.99.0.11 api.landfall.internal # landfall\n";

    fn entry() -> HostsEntry {
        HostsEntry { name: "api.landfall.internal".to_owned(), address: [10, 99, 0, 11].into() }
    }

    /// Returns the result of the agent's restore on a host with this `/etc/hosts`, written a while ago.
    fn run_restore(text: Option<&str>) -> (Result<bool, StepError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let path = HostsEntry::path(&paths);
        durable::create_folder(path.parent().unwrap()).unwrap();
        if let Some(text) = text {
            durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
            let earlier = std::time::SystemTime::now() - Duration::from_mins(1);
            fs_err::File::options().write(true).open(&path).unwrap().set_modified(earlier).unwrap();
        }
        let outcome = entry().restore(&paths);
        (outcome, fs_err::read_to_string(&path).unwrap())
    }

    #[test]
    fn removed_name_is_restored() {
        for text in [Some("127.0.0.1 localhost\n"), Some("127.0.0.1 localhost"), Some(MINIMAL), Some(""), None] {
            let (outcome, after) = run_restore(text);
            assert!(outcome.unwrap());
            let rest = text.unwrap_or(MINIMAL).trim_end();
            assert_eq!(after, format!("{rest}{}{LINE}", if rest.is_empty() { "" } else { "\n" }));
        }
        let (outcome, after) = run_restore(Some("127.0.0.1 localhost\n10.0.0.1 api.landfall.internal # landfall\n"));
        assert_eq!((outcome.unwrap(), after), (true, format!("127.0.0.1 localhost\n{LINE}")), "an address of before");
    }

    #[test]
    fn correct_and_foreign_lines_stay() {
        for text in [&format!("127.0.0.1 localhost\n{LINE}10.0.0.7 later\n"), "10.99.0.11 api.landfall.internal\n"] {
            let (outcome, after) = run_restore(Some(text));
            assert_eq!((outcome.unwrap(), after.as_str()), (false, text));
        }
        let foreign = "10.0.0.1 api.landfall.internal # moved\n";
        let (outcome, after) = run_restore(Some(foreign));
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("`10.0.0.1 api.landfall.internal` instead of `10.99.0.11"), "{error}");
        assert_eq!(after, foreign);
    }

    #[test]
    fn concurrent_write_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let path = HostsEntry::path(&paths);
        durable::create_folder(path.parent().unwrap()).unwrap();
        // The file is emptied, and filled a moment later.
        let mut file = fs_err::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(WRITTEN / 5);
            std::io::Write::write_all(&mut file, b"10.0.0.7 other\n").unwrap();
        });
        assert!(entry().restore(&paths).unwrap());
        writer.join().unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), format!("10.0.0.7 other\n{LINE}"));
    }
}
