//! Continuation of an operation that a power cut interrupted, if it can finish or be undone without human intervention.
//! If so, its unit is started. An install and an uninstall wait for a user.

use landfall_documents::operation::Operation;
use landfall_engine::journal::{JournalFolder, Outline};
use landfall_engine::step::StepError;
use landfall_host::command::CommandRunner;
use landfall_host::paths::SitePaths;

use super::units::{OPERATION, systemctl};

/// Starts the unit of operations if an open operation can end without human intervention. Does nothing while the unit
/// runs.
pub(crate) fn continue_it(paths: &SitePaths, commands: &dyn CommandRunner) -> Result<(), StepError> {
    if !is_open(paths) {
        return Ok(());
    }
    let start = systemctl(&["start", "--no-block", OPERATION]);
    start.check_output(commands.run(&start, None)).map(drop)
}

/// Returns true if the last operation has not ended and can end without human intervention. A journal that this version
/// cannot read counts as open: the pinned program can read it.
fn is_open(paths: &SitePaths) -> bool {
    let journals = JournalFolder::<Outline>::at(paths.journal());
    let Ok(Some(last)) = journals.latest() else { return false };
    if last.operation == Some(Operation::Install) {
        return false;
    }
    journals.read(&last).map_or(true, |replay| !replay.state.is_closed())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use landfall_engine::journal::Event;
    use landfall_host::command::{CommandOutput, HostCommand, Input};

    use super::*;

    #[derive(Default)]
    struct StartCounter(Mutex<usize>);

    impl CommandRunner for StartCounter {
        fn run(&self, command: &HostCommand, _: Option<Input<'_>>) -> io::Result<CommandOutput> {
            assert_eq!(*command, systemctl(&["start", "--no-block", OPERATION]));
            *self.0.lock().unwrap() += 1;
            Ok(CommandOutput { success: true, ..CommandOutput::default() })
        }
    }

    fn starts(paths: &SitePaths) -> usize {
        let started = StartCounter::default();
        continue_it(paths, &started).unwrap();
        started.0.into_inner().unwrap()
    }

    #[test]
    fn only_open_changes_are_continued() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let journals = JournalFolder::<Outline>::at(paths.journal());
        assert_eq!(starts(&paths), 0, "there is no site");
        let lock = journals.lock("test").unwrap();
        let begin = |operation| journals.create(&lock, Outline { operation, steps: Vec::new(), closing: 0 }).unwrap();
        let mut install = begin(Operation::Install);
        assert_eq!(starts(&paths), 0, "an install waits for a person");
        install.append(Event::Committed).unwrap();
        let mut change = begin(Operation::Configure);
        assert_eq!(starts(&paths), 1);
        change.append(Event::Committed).unwrap();
        assert_eq!(starts(&paths), 0, "it has ended");
    }
}
