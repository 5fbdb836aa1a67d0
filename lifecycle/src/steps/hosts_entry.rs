//! The line of `/etc/hosts` by which every part of the cluster finds its API server, whatever the nameservers say.

use std::path::PathBuf;

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::files;
use crate::site::Site;
use crate::step::{Observed, Step, StepError};

/// Ends the line that is ours.
const MARK: &str = "# landfall";
/// Content of a file that was not there: containerd cannot make a sandbox without one.
const MINIMAL: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostsEntry {
    /// The name.
    pub name: String,
    /// What it resolves to.
    pub address: std::net::IpAddr,
}

impl HostsEntry {
    fn path(site: &Site) -> PathBuf {
        site.paths.host("/etc/hosts")
    }

    fn line(&self) -> String {
        format!("{} {} {MARK}", self.address, self.name)
    }

    fn without_ours(text: &str) -> String {
        text.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(MARK)).collect()
    }
}

impl Step<Site> for HostsEntry {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let text = files::read_text(&Self::path(site))?.unwrap_or_default();
        if text.lines().any(|line| line == self.line()) {
            return Ok(Observed::Done);
        }
        let other = Self::without_ours(&text)
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().to_owned())
            .find(|line| line.split_whitespace().skip(1).any(|name| name == self.name));
        Ok(match other {
            Some(line) => Observed::Foreign(format!("{} has `{}`", Self::path(site).display(), line.trim())),
            None => Observed::Absent,
        })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        let text = files::read_text(&Self::path(site))?;
        // A last line that did not end gets an end while ours stands after it.
        let ended = text.as_ref().is_none_or(|text| text.is_empty() || text.ends_with('\n'));
        Ok(json!({ "there": text.is_some(), "ended": ended }))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let path = Self::path(site);
        let text = files::read_text(&path)?.unwrap_or_else(|| MINIMAL.to_owned());
        let mut text = Self::without_ours(&text);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&self.line());
        text.push('\n');
        durable::write_file(&path, text.as_bytes(), 0o644)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        let path = Self::path(site);
        let Some(text) = files::read_text(&path)? else { return Ok(()) };
        let mut rest = Self::without_ours(&text);
        if rest == text {
            return Ok(());
        }
        if before["ended"] == json!(false) && rest.ends_with('\n') {
            rest.pop();
        }
        if before["there"] == json!(false) && rest == MINIMAL {
            durable::remove_file(&path)?;
        } else {
            durable::write_file(&path, rest.as_bytes(), 0o644)?;
        }
        Ok(())
    }
}
