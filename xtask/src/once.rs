//! Values that are made once in a process: two tests at once would write the same files.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};

/// A value that the first call makes. Later calls get the same value, or the same error.
pub struct Once<T>(OnceLock<Result<T, String>>);

impl<T> Once<T> {
    /// Returns a value that is not made yet.
    #[expect(clippy::new_without_default, reason = "a static needs a constant function")]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Returns the value; the first call makes it, and others wait for that.
    pub fn get(&self, make: impl FnOnce() -> Result<T>) -> Result<&T> {
        let result = self.0.get_or_init(|| make().map_err(|error| format!("{error:#}")));
        result.as_ref().map_err(|error| anyhow!("{error}"))
    }
}
