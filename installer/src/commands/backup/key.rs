//! `landfall backup key`: prints the key of the backups, or exchanges it for another one.

use std::fmt::Write;

use landfall_error_codes::codes;
use landfall_lifecycle::operations::{NewKey, RecoveryKey, ShutOut, WaitingCopy};

use crate::commands::site::operations_of_root;
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

impl Document for RecoveryKey {
    const KIND: &'static str = "recoveryKey";
}

impl Document for NewKey {
    const KIND: &'static str = "newRecoveryKey";
}

/// Prints the key.
pub(super) fn print(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let key = operations.recovery_key()?;
    printer.note(&format!(
        "with this key, and a copy of {}, every backup can be read; without it, none can",
        key.repository
    ));
    printer.deliver(&key, |key| key.key.clone()).map_err(|error| {
        let next = "Print it again, to a file on a disk with free space. Until then, `landfall status` reminds you.";
        Failure::new(codes::NO_SPACE, "the key of the backups could not be printed").because(&error).next(next)
    })?;
    Ok(operations.record_key_printed()?)
}

/// Exchanges the key. The old key is shut out only after the new one was printed.
pub(super) fn rotate(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "backup-key-rotate");
    let exchange = operations.exchange_key()?;
    let new = exchange.new_key();
    printer.note(&format!("the new key of the backups in {}; store it away from this machine", new.repository));
    for WaitingCopy { folder, reason } in &new.waiting {
        printer.note(&format!("{} does not have the new key yet: {reason}", folder.display()));
    }
    printer.deliver(new, |new| new.key.clone()).map_err(|error| {
        let what = "the new key could not be printed, so the previous one is not shut out";
        Failure::new(codes::BACKUP_KEY, what).because(&error)
    })?;
    let shut_out = exchange.finish()?;
    printer.note(&shut_out_text(&shut_out));
    Ok(())
}

fn shut_out_text(shut_out: &ShutOut) -> String {
    let ShutOut { other_passwords, waiting } = shut_out;
    let mut text = "the previous key no longer opens the backups of this site".to_owned();
    if !waiting.is_empty() {
        let folders: Vec<String> = waiting.iter().map(|folder| folder.display().to_string()).collect();
        let _infallible = write!(text, ", except for the copies in {}", folders.join(", "));
    }
    text.push_str(
        "\na disk that is not connected now opens with the previous key until `landfall backup copy` is run with it: \
         keep the previous key until then\nanyone who has read backups with the previous key may have their master \
         key, which stays the same",
    );
    if *other_passwords > 0 {
        let counted = format_count(*other_passwords, "password");
        let _infallible =
            write!(text, "\n{counted} that `restic key add` added can still open them; see `restic key list`");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_change_warns_about_old_key() {
        let shut_out = ShutOut { other_passwords: 1, waiting: vec!["/mnt/vault".into()] };
        insta::assert_snapshot!(shut_out_text(&shut_out), @"
        the previous key no longer opens the backups of this site, except for the copies in /mnt/vault
        a disk that is not connected now opens with the previous key until `landfall backup copy` is run with it: keep the previous key until then
        anyone who has read backups with the previous key may have their master key, which stays the same
        1 password that `restic key add` added can still open them; see `restic key list`
        ");
    }
}
