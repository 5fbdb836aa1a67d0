//! Records of the account that requested each operation: a small file beside its journal, for as long as the site
//! exists.
//!
//! A journal does not depend on the account. A file that is missing, torn or in another form is ignored, and no
//! operation depends on one.

use std::path::{Path, PathBuf};

use landfall_documents::history::{Account, AccountKind, AskedBy};
use landfall_host::files;
use landfall_host::invoker::invoker;
use landfall_media::durable::{self, DurableError};
use landfall_release_document::is_invisible;
use serde::{Deserialize, Serialize};

use super::Operations;

/// Environment variable in which the host API passes a console account to the process that begins a change.
pub const ASKED_VARIABLE: &str = "LANDFALL_ASKED";
/// Number of operations whose files are kept, including the latest.
const KEPT: u64 = 1000;
/// Maximum size of a file in bytes. A larger one is ignored.
const FILE_BYTES: u64 = 4 << 10;
/// Maximum length of a name in bytes.
const NAME_BYTES: usize = 128;
/// Suffix of the files' names.
const SUFFIX: &str = ".json";

fn is_sound_account(account: &Account) -> bool {
    let Account { name, .. } = account;
    !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(is_invisible)
}

/// Returns the value of [`ASKED_VARIABLE`] for these accounts.
pub fn asked_variable(asked: &AskedBy) -> String {
    serde_json::to_string(asked).unwrap_or_default()
}

fn of_variable(text: &str) -> Option<AskedBy> {
    serde_json::from_str(text).ok().filter(is_sound)
}

fn is_sound(asked: &AskedBy) -> bool {
    is_sound_account(&asked.by) && asked.approved_by.as_ref().is_none_or(is_sound_account)
}

/// Content of a file.
#[derive(Serialize, Deserialize)]
struct AskerRecord {
    /// Number of the journal.
    operation: u64,
    #[serde(flatten)]
    asked: AskedBy,
}

fn path(folder: &Path, operation: u64) -> PathBuf {
    folder.join(format!("{operation:06}{SUFFIX}"))
}

impl Operations {
    /// Returns the account behind this process: the console account that the host API passed, or the user who runs the
    /// command.
    pub(super) fn asker(&self) -> Option<AskedBy> {
        if let Ok(handed) = std::env::var(ASKED_VARIABLE) {
            return of_variable(&handed);
        }
        let host = |name| AskedBy { by: Account { kind: AccountKind::Host, name }, approved_by: None };
        invoker(&self.paths).map(host).filter(is_sound)
    }

    /// Returns the account that requested the operation of this number, if known.
    pub(super) fn asker_of(&self, operation: u64) -> Option<AskedBy> {
        let read = files::read_at_most(&path(&self.paths.activity(), operation), FILE_BYTES);
        let bytes = read.ok().filter(|bytes| bytes.len() as u64 <= FILE_BYTES)?;
        let noted: AskerRecord = serde_json::from_slice(&bytes).ok()?;
        (noted.operation == operation && is_sound(&noted.asked)).then_some(noted.asked)
    }

    /// Records the account that requested the operation of this number. On the disk on return. A failure is only
    /// logged, and the operation begins anyway.
    pub(super) fn note_asker(&self, operation: u64, asked: Option<AskedBy>) {
        if let Err(error) = note(&self.paths.activity(), operation, asked) {
            tracing::warn!(%error, "who asked for this operation is not noted");
        }
    }
}

fn note(folder: &Path, operation: u64, asked: Option<AskedBy>) -> Result<(), DurableError> {
    let file = path(folder, operation);
    let Some(asked) = asked else { return durable::remove_file(&file) };
    durable::create_folder_with_mode(folder, 0o700)?;
    let text = serde_json::to_vec(&AskerRecord { operation, asked }).unwrap_or_default();
    durable::write_file(&file, &text, 0o600)?;
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<u64>().ok());
        if number.is_some_and(|number| number.saturating_add(KEPT) <= operation) {
            durable::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::operations;

    fn account(kind: AccountKind, name: &str) -> Account {
        Account { kind, name: name.to_owned() }
    }

    fn on_host(name: &str) -> AskedBy {
        AskedBy { by: account(AccountKind::Host, name), approved_by: None }
    }

    #[test]
    fn console_names_requester_and_approver() {
        let alone = AskedBy::of_console("ada", None);
        assert_eq!((alone.by.clone(), alone.approved_by.clone()), (account(AccountKind::User, "ada"), None));
        let two = AskedBy::of_console("key:00ff of bob", Some("ada"));
        assert_eq!(two.by, account(AccountKind::User, "ada"));
        assert_eq!(two.approved_by, Some(account(AccountKind::Key, "key:00ff of bob")));
        for asked in [alone, two] {
            assert_eq!(of_variable(&asked_variable(&asked)), Some(asked));
        }
        for odd in
            ["", "ada", "{}", r#"{"by":{"kind":"user","name":""}}"#, r#"{"by":{"kind":"user","name":"a\u001b[2J"}}"#]
        {
            assert_eq!(of_variable(odd), None, "{odd}");
        }
    }

    #[test]
    fn host_and_console_users_differ() {
        assert_eq!(on_host("root").by.to_string(), "root at the host");
        assert_eq!(AskedBy::of_console("root", None).by.to_string(), "root");
    }

    #[test]
    fn requester_is_known_per_operation() {
        let (_root, operations) = operations();
        assert_eq!(operations.asker_of(1), None);
        let two = AskedBy::of_console("bob", Some("ada"));
        operations.note_asker(1, Some(on_host("carol")));
        operations.note_asker(2, Some(two.clone()));
        assert_eq!((operations.asker_of(1), operations.asker_of(2)), (Some(on_host("carol")), Some(two)));
        let stored = fs_err::read_to_string(path(&operations.paths.activity(), 1)).unwrap();
        assert_eq!(stored, r#"{"operation":1,"by":{"kind":"host","name":"carol"}}"#, "later versions read this");
        operations.note_asker(2, None);
        assert_eq!(operations.asker_of(2), None, "no one is known, so no one is named");
    }

    #[test]
    fn damaged_requester_file_says_nothing() {
        let (_root, operations) = operations();
        operations.note_asker(1, Some(on_host("carol")));
        let file = path(&operations.paths.activity(), 1);
        let whole = fs_err::read(&file).unwrap();
        for length in 0..whole.len() {
            durable::write_file(&file, &whole[..length], 0o600).unwrap();
            assert_eq!(operations.asker_of(1), None, "{length} bytes");
        }
        let spaces = [&whole[..], &b" ".repeat(5000)].concat();
        let of_another = String::from_utf8(whole).unwrap().replace("\"operation\":1", "\"operation\":2");
        for bytes in [&spaces[..], of_another.as_bytes(), b"\xff\xff"] {
            durable::write_file(&file, bytes, 0o600).unwrap();
            assert_eq!(operations.asker_of(1), None);
        }
        let later = r#"{"operation":1,"by":{"kind":"robot","name":"r2","since":3},"more":true}"#;
        durable::write_file(&file, later.as_bytes(), 0o600).unwrap();
        assert_eq!(operations.asker_of(1).unwrap().by, account(AccountKind::Unknown, "r2"), "a later version wrote it");
    }

    #[test]
    fn old_requester_files_are_removed() {
        let (_root, operations) = operations();
        let folder = operations.paths.activity();
        for number in [1, 2, 500] {
            operations.note_asker(number, Some(on_host("carol")));
        }
        durable::write_file(&folder.join("notes.json"), b"{}", 0o600).unwrap();
        operations.note_asker(1001, Some(on_host("carol")));
        assert_eq!([1, 2, 500, 1001].map(|number| operations.asker_of(number).is_some()), [false, true, true, true]);
        assert!(folder.join("notes.json").exists());
    }
}
