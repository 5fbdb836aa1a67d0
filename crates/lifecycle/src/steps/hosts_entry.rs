//! The API server's name in `/etc/hosts`: adds and removes the line.

use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::hosts_entry::{HostsEntry, MINIMAL};
use landfall_media::durable;
use serde_json::{Value, json};

use crate::context::NodeContext;

impl Step<NodeContext> for HostsEntry {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let path = Self::path(&context.host.paths);
        let text = files::read_text(&path)?.unwrap_or_default();
        if self.is_in(&text) {
            return Ok(ObservedState::Done);
        }
        Ok(match self.foreign(&text) {
            Some(line) => ObservedState::Foreign(format!("{} has `{line}`", path.display())),
            None => ObservedState::Absent,
        })
    }

    fn prepare(&self, context: &mut NodeContext) -> Result<Value, StepError> {
        let text = files::read_text(&Self::path(&context.host.paths))?;
        // An unterminated last line gets a line end before Landfall's line.
        let ended = text.as_ref().is_none_or(|text| text.is_empty() || text.ends_with('\n'));
        Ok(json!({ "there": text.is_some(), "ended": ended }))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        let path = Self::path(&context.host.paths);
        self.write(&path, files::read_text(&path)?.as_deref())?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        let path = Self::path(&context.host.paths);
        // The agent also writes this file, and a power cut may have interrupted it.
        files::remove_leftovers([path.as_path()])?;
        let Some(text) = files::read_text(&path)? else { return Ok(()) };
        let mut rest = Self::without_landfall_line(&text);
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
