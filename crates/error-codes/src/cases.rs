//! Cases: situations in which a code is reported, each with its own next step. The fix of a code applies if no case
//! does.

use std::io;

use crate::{Code, codes};

/// A case of one or several codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Codes under which it is reported.
    pub codes: &'static [Code],
    /// Description of the situation.
    pub when: &'static str,
    /// Next step for a person.
    pub next: &'static str,
}

impl Case {
    /// Code under which it is reported, or the first of several.
    pub const fn code(self) -> Code {
        self.codes[0]
    }
}

/// Defines a constant for each case, and the list of all.
macro_rules! cases {
    ($($name:ident = $codes:expr, $when:literal, $next:literal;)*) => {
        $(
            #[doc = concat!("The case that ", $when, ".")]
            pub const $name: Case = Case { codes: $codes, when: $when, next: $next };
        )*

        /// Every case, in the order of this file.
        pub const ALL: &[Case] = &[$($name),*];
    };
}

/// Codes of files that could not be read or written.
const OF_FILES: &[Code] = &[codes::NODE_FILE, codes::SITE_IO, codes::MEDIA_IO, codes::JOURNAL_IO];

cases! {
    // Files, by the error of the kernel.
    FILE_MISSING = OF_FILES, "the file or a folder above it does not exist", "Check the path, and that the disk or \
        stick that has it is mounted, then run the same command again.";
    FILE_FORBIDDEN = OF_FILES, "this user may not do that to the file", "Run the command as root, or let this user use \
        the named path. If root is refused, `lsattr -d PATH` shows an `i` where a tool made the path immutable, and \
        `chattr -i PATH` removes it; then run the same command again.";
    FILE_READ_ONLY = OF_FILES, "the filesystem is mounted read-only", "Read `dmesg`: a disk that fails is mounted \
        read-only. Repair or replace it, or remount it writable, then run the same command again.";
    FILE_NO_ROOM = OF_FILES, "the filesystem is full", "Free space on the filesystem of the named path, then run the \
        same command again.";
    FILE_IS_FOLDER = OF_FILES, "a folder has the name of the file", "Name a file, or move the folder away, then run \
        the same command again.";
    FILE_UNDER_FILE = OF_FILES, "a file has the name of a folder above the path", "Correct the path, or move the file \
        away, then run the same command again.";
    FILE_DAMAGED = OF_FILES, "the disk or stick failed", "Read `dmesg`: the disk or stick fails. Try a stick in \
        another port, or replace it; then run the same command again.";
    // A line of another program in a file that Landfall edits.
    HOSTS_LINE = &[codes::NODE_FILE], "/etc/hosts gives the name of the node to another address", "Correct or remove \
        the line in /etc/hosts, then run the same command again.";
    // Facts.
    FACTS_MISSING = &[codes::FACTS_FILE], "no file has this path", "Check the path. It names a file with the output of \
        `landfall facts` or `landfall-facts`, from the host in question.";
    FACTS_UNREADABLE = &[codes::FACTS_FILE], "the file cannot be read", "Name a file, not a folder, and one that this \
        user may read.";
    FACTS_OTHER = &[codes::FACTS_FILE], "the file holds something other than facts", "Name the file with the output of \
        `landfall facts` or `landfall-facts`. If this is it, it was damaged on its way: copy it again.";
    FACTS_FORM = &[codes::FACTS_FILE], "another version of Landfall wrote the facts", "Collect the facts again with \
        the `landfall facts` or `landfall-facts` of this version, or read them with the `landfall` of the version that \
        wrote them.";
    // Targets of a rollback.
    ROLLBACK_FIRST = &[codes::ROLLBACK_NOWHERE], "the installed release is the only one that the site keeps", "There \
        is nothing to return to before the first upgrade. To run another version, install its bundle on another \
        machine.";
    ROLLBACK_OTHER = &[codes::ROLLBACK_NOWHERE], "the site keeps other versions than the named one", "Name a version \
        that `landfall releases` lists, or none for the release before the installed one.";
    // Backups.
    BACKUPS_NONE = &[codes::BACKUP_UNKNOWN], "the site has no backups", "Make one with `landfall backup run`.";
    BACKUPS_OF_OTHERS = &[codes::BACKUP_UNKNOWN], "no backup is of the installed version", "Make one with `landfall \
        backup run`. To use a backup of another version, install that version first.";
    BACKUPS_UNPROVEN = &[codes::BACKUP_UNKNOWN], "no backup of the version is proven", "Prove the newest one with \
        `landfall drill`, or name one with `--backup ID`, as `landfall backup list` prints it.";
    BACKUPS_LATER = &[codes::BACKUP_UNKNOWN], "every backup was made after the wanted time", "Name a later time: \
        `landfall backup list` prints the times of the backups.";
    BACKUP_ID_UNKNOWN = &[codes::BACKUP_UNKNOWN], "no backup has the id", "Run `landfall backup list`, and name one of \
        the ids, or the beginning of one.";
    BACKUP_ID_AMBIGUOUS = &[codes::BACKUP_UNKNOWN], "several ids begin as the given one", "Give more digits of the id: \
        `landfall backup list` prints them.";
    BACKUP_STREAM_UNKNOWN = &[codes::BACKUP_UNKNOWN], "the backup has no such stream", "Run `landfall backup list \
        --json`, and name one of the streams that it lists.";
    BACKUP_OBJECTS_NONE = &[codes::BACKUP_UNKNOWN], "the backup has no object like that", "Name other namespaces, \
        kinds or names; without any, all objects are written.";
    BACKUPS_TO_ADOPT_NONE = &[codes::BACKUP_UNKNOWN], "the repository to be adopted has no backups", "Name another \
        copy of the backups: a folder on another disk, or a bucket.";
    BACKUP_KEY_MISSING = &[codes::BACKUP_KEY], "the file of the key does not exist", "Check the path, or write the key \
        that `landfall backup key` printed once into that file.";
    BACKUP_KEY_MALFORMED = &[codes::BACKUP_KEY], "the file holds something other than a key", "Name the file that \
        received the output of `landfall backup key`, or write the 64 printed digits into a file.";
    BACKUP_KEY_EXISTS = &[codes::BACKUP_KEY], "a key is already stored there", "Use the existing key: a new one \
        would open none of the backups that were made with it.";
    // The name of the site.
    CONFIRMATION_WRONG = &[codes::DELETION_UNCONFIRMED], "the given name is not the site's", "Run the same command \
        again with the name of the site exactly as the message has it.";
    CONFIRMATION_NO_TERMINAL = &[codes::DELETION_UNCONFIRMED], "no name was given, and there is no terminal to ask at",
    "Add `--confirm NAME` with the name of the site, or run the command at a terminal.";
    CONFIRMATION_UNREAD = &[codes::DELETION_UNCONFIRMED], "the terminal did not return a name", "Run the same command \
        again with `--confirm NAME`, where NAME is the name of the site.";
    // Usage.
    USAGE_NO_LICENSE = &[codes::USAGE_NONE], "the site has no license", "Nothing to do unless the release needs a \
        license: usage is measured only under one. `landfall license show` says what it needs, and `landfall license \
        import FILE` imports one.";
    USAGE_NOT_YET = &[codes::USAGE_NONE], "the license is new, and nothing was measured since", "Try again in an hour: \
        the agent measures every hour. `landfall status` says whether it runs.";
}

/// Case of a file that could not be read or written, by the error of the kernel; `None` if the code's fix is better.
pub fn of_file(error: &io::Error) -> Option<Case> {
    match error.kind() {
        io::ErrorKind::NotFound => Some(FILE_MISSING),
        io::ErrorKind::PermissionDenied => Some(FILE_FORBIDDEN),
        io::ErrorKind::ReadOnlyFilesystem => Some(FILE_READ_ONLY),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(FILE_NO_ROOM),
        io::ErrorKind::IsADirectory => Some(FILE_IS_FOLDER),
        io::ErrorKind::NotADirectory => Some(FILE_UNDER_FILE),
        // EIO has no `ErrorKind`.
        _ => (error.raw_os_error() == Some(INPUT_OUTPUT)).then_some(FILE_DAMAGED),
    }
}

/// Error number of EIO on Linux.
const INPUT_OUTPUT: i32 = 5;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn cases_are_unique() {
        let mut seen = HashSet::new();
        for case in ALL {
            assert!(seen.insert(case.when) && seen.insert(case.next), "{case:?}");
            assert!(!case.when.ends_with('.') && case.next.ends_with('.'), "{case:?}");
            assert!(case.codes.iter().all(|code| code.fix != case.next), "{case:?} is the code's own");
        }
    }

    #[test]
    fn file_errors_map_to_cases() {
        let case = |number| of_file(&io::Error::from_raw_os_error(number)).map(|case| case.when);
        for (number, when) in [
            (2, Some(FILE_MISSING)),
            (1, Some(FILE_FORBIDDEN)),
            (13, Some(FILE_FORBIDDEN)),
            (30, Some(FILE_READ_ONLY)),
            (28, Some(FILE_NO_ROOM)),
            (122, Some(FILE_NO_ROOM)),
            (21, Some(FILE_IS_FOLDER)),
            (20, Some(FILE_UNDER_FILE)),
            (5, Some(FILE_DAMAGED)),
            (11, None),
        ] {
            assert_eq!(case(number), when.map(|when| when.when), "{number}");
        }
    }
}
