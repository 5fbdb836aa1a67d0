//! What the API asks the host. Each call may block.

use landfall_peer::{ComponentLogs, Problem, ProgressPage};

/// A question whose answer is a document that a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `landfall status`.
    Status,
    /// `landfall releases`.
    Releases,
    /// `landfall backup list`.
    Backups,
    /// `landfall license show`.
    License,
}

/// The host, as the API knows it.
pub trait Site: Send + Sync + 'static {
    /// The JSON that answers a question; none where there is nothing to ask about.
    fn document(&self, question: Question) -> Result<Option<String>, Problem>;

    /// The last lines of each container of a component.
    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem>;

    /// What the operation that runs, or ran last, reported after a number of this run; all of it if its run is another one.
    fn progress(&self, run: u64, after: u64) -> ProgressPage;

    /// Whether a one-use token counts; from then on it does not.
    fn claim(&self, token: &str) -> Result<bool, Problem>;

    /// Begins a backup; false where one runs already.
    fn begin_backup(&self) -> Result<bool, Problem>;
}
