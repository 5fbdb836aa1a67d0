//! What a failed query says of the database: whether it is locked, has no space left, is damaged, or is a server that does not answer.
//! Most of that passes, and the next query is like any other.

use landfall_error_codes::{Code, codes};
use sqlx::postgres::PgDatabaseError;

/// Result codes of SQLite, which have details in the bits above these (<https://www.sqlite.org/rescode.html>).
const KIND: i32 = 0xff;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const FAULT: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOT_OPENED: i32 = 14;
const NO_DATABASE: i32 = 26;

/// Faults of making the file with the index of the log of changes: to open, grow and map it. A full disk is one of their causes. Where it
/// refuses any other write, the result is [`FULL`]; a fault of writing is then one of a disk that fails or takes no writes.
const INDEX_FAULTS: [i32; 3] = [18, 19, 21];

/// The registry's entry of a failed query.
pub fn code_of(error: &sqlx::Error) -> Code {
    match error {
        // Those that wait for the one connection that writes wait because it does.
        sqlx::Error::PoolTimedOut => return codes::APPLIANCE_DATABASE_LOCKED,
        // A file is read by SQLite itself, whose errors have codes.
        sqlx::Error::Io(_) => return codes::APPLIANCE_SERVER_SILENT,
        _ => {}
    }
    let Some(error) = error.as_database_error() else { return codes::APPLIANCE_DATABASE };
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return code_of_server(error.code());
    }
    let result = error.code().and_then(|code| code.parse::<i32>().ok());
    result.map_or(codes::APPLIANCE_DATABASE, code_of_file)
}

/// The entry of a result of SQLite. The database's own file was looked at before, so what cannot be opened is a file beside it that cannot be made.
fn code_of_file(result: i32) -> Code {
    match result & KIND {
        BUSY | LOCKED => codes::APPLIANCE_DATABASE_LOCKED,
        FULL | NOT_OPENED => codes::APPLIANCE_DATABASE_FULL,
        FAULT if INDEX_FAULTS.contains(&(result >> KIND.count_ones())) => codes::APPLIANCE_DATABASE_FULL,
        CORRUPT | NO_DATABASE => codes::APPLIANCE_DATABASE_DAMAGED,
        _ => codes::APPLIANCE_DATABASE,
    }
}

/// The entry of an SQLSTATE of PostgreSQL (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn code_of_server(state: &str) -> Code {
    match state {
        // A lock that was not had in time, a conflict of transactions, a deadlock.
        "55P03" | "40001" | "40P01" => codes::APPLIANCE_DATABASE_LOCKED,
        "53100" => codes::APPLIANCE_DATABASE_FULL,
        "XX001" | "XX002" => codes::APPLIANCE_DATABASE_DAMAGED,
        // It begins, ends, has too many connections, or is a copy that only reads.
        "57P01" | "57P02" | "57P03" | "53300" | "25006" => codes::APPLIANCE_SERVER_SILENT,
        // No such database, no right to something.
        "3D000" | "42501" => codes::APPLIANCE_SERVER_REFUSES,
        _ if state.starts_with("08") => codes::APPLIANCE_SERVER_SILENT,
        _ if state.starts_with("28") => codes::APPLIANCE_SERVER_REFUSES,
        _ => codes::APPLIANCE_DATABASE,
    }
}

#[cfg(test)]
mod tests;
