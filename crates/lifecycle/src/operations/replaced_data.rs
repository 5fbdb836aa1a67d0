//! Data that undone changes replaced by their copies: listed, and removed on a person's request.

use landfall_documents::replaced_data::ReplacedData;
use landfall_error_codes::codes;
use landfall_host::mounts;
use schemars::JsonSchema;
use serde::Serialize;

use landfall_engine::step::StepError;

use super::Operations;
use super::error::Result;
use crate::replaced_data;

/// Replaced data that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedReplacedData {
    /// Description of the removed data.
    pub removed: ReplacedData,
}

impl Operations {
    /// Returns all replaced data of this site. Changes nothing.
    pub fn replaced_data(&self) -> Result<Vec<ReplacedData>> {
        Ok(replaced_data::all(&self.paths)?)
    }

    /// Returns the replaced data of this name.
    pub fn find_replaced_data(&self, name: &str) -> Result<ReplacedData> {
        let found = self.replaced_data()?.into_iter().find(|replaced| replaced.name == name);
        Ok(found
            .ok_or_else(|| StepError::new(codes::REPLACED_UNKNOWN, format!("no replaced data has the name {name}")))?)
    }

    /// Removes replaced data, if `confirmation` is the site's name. It is gone from the disk on return. Fails while a
    /// change is open.
    pub fn remove_replaced_data(&self, name: &str, confirmation: &str) -> Result<RemovedReplacedData> {
        self.confirm(confirmation)?;
        self.changeable(&self.idle_history()?)?;
        let _lock = self.journals().lock("replaced-data remove")?;
        // Another operation may have run between the first check and the lock.
        self.changeable(&self.history()?)?;
        let removed = self.find_replaced_data(name)?;
        mounts::remove_tree(&removed.path)?;
        Ok(RemovedReplacedData { removed })
    }
}
