//! Interpretation of a failed query: the database is locked, has no space left, is damaged, or is a server that does
//! not answer. Most causes are transient, and the next query is like any other.

use landfall_error_codes::{Code, codes};
use sqlx::postgres::PgDatabaseError;

use crate::error::Error;

/// Mask of SQLite's result codes, whose higher bits have details (<https://www.sqlite.org/rescode.html>).
const KIND: i32 = 0xff;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const FAULT: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOT_OPENED: i32 = 14;
const NO_DATABASE: i32 = 26;

/// Faults in creating the index file of the write-ahead log: opening, growing and mapping it. A full disk is one of
/// their causes. For any other write, a full disk yields [`FULL`]; other write faults mean a disk that fails or is
/// read-only.
const INDEX_FAULTS: [i32; 3] = [18, 19, 21];

/// Returns the registry's code for a failed query.
pub fn code_of(error: &sqlx::Error) -> Code {
    match error {
        // Waiters for the one writing connection time out because it is busy.
        sqlx::Error::PoolTimedOut => return codes::APPLIANCE_DATABASE_LOCKED,
        // SQLite itself reads a file, and its errors have codes.
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

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Self::new(code_of(&source), "the database refused a query").because(source)
    }
}

/// Returns the code for a result of SQLite. The database's own file was checked before, so a file that cannot be opened
/// is a companion file that cannot be created.
fn code_of_file(result: i32) -> Code {
    match result & KIND {
        BUSY | LOCKED => codes::APPLIANCE_DATABASE_LOCKED,
        FULL | NOT_OPENED => codes::APPLIANCE_DATABASE_FULL,
        FAULT if INDEX_FAULTS.contains(&(result >> KIND.count_ones())) => codes::APPLIANCE_DATABASE_FULL,
        CORRUPT | NO_DATABASE => codes::APPLIANCE_DATABASE_DAMAGED,
        _ => codes::APPLIANCE_DATABASE,
    }
}

/// Returns the code for an SQLSTATE of PostgreSQL (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn code_of_server(state: &str) -> Code {
    match state {
        // A lock timeout, a conflict of transactions, a deadlock.
        "55P03" | "40001" | "40P01" => codes::APPLIANCE_DATABASE_LOCKED,
        "53100" => codes::APPLIANCE_DATABASE_FULL,
        "XX001" | "XX002" => codes::APPLIANCE_DATABASE_DAMAGED,
        // The server starts, stops, has too many connections, or is a read-only replica.
        "57P01" | "57P02" | "57P03" | "53300" | "25006" => codes::APPLIANCE_SERVER_SILENT,
        // No such database, or a missing right.
        "3D000" | "42501" => codes::APPLIANCE_SERVER_REFUSES,
        _ if state.starts_with("08") => codes::APPLIANCE_SERVER_SILENT,
        _ if state.starts_with("28") => codes::APPLIANCE_SERVER_REFUSES,
        _ => codes::APPLIANCE_DATABASE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_errors_share_file_codes() {
        for (state, code) in [
            ("55P03", codes::APPLIANCE_DATABASE_LOCKED),
            ("40001", codes::APPLIANCE_DATABASE_LOCKED),
            ("53100", codes::APPLIANCE_DATABASE_FULL),
            ("XX001", codes::APPLIANCE_DATABASE_DAMAGED),
            ("57P01", codes::APPLIANCE_SERVER_SILENT),
            ("08006", codes::APPLIANCE_SERVER_SILENT),
            ("28P01", codes::APPLIANCE_SERVER_REFUSES),
            ("3D000", codes::APPLIANCE_SERVER_REFUSES),
            ("23505", codes::APPLIANCE_DATABASE),
        ] {
            assert_eq!(code_of_server(state), code, "{state}");
        }
    }

    #[test]
    fn sqlite_results_map_to_remedies() {
        for (result, code) in [
            (5, codes::APPLIANCE_DATABASE_LOCKED),
            // Busy while another process recovers the write-ahead log.
            (261, codes::APPLIANCE_DATABASE_LOCKED),
            (13, codes::APPLIANCE_DATABASE_FULL),
            (14, codes::APPLIANCE_DATABASE_FULL),
            // Growing the index of the log.
            (4874, codes::APPLIANCE_DATABASE_FULL),
            // A fault without details; faults of writing and syncing, on a failing disk that is not reported as full.
            (10, codes::APPLIANCE_DATABASE),
            (778, codes::APPLIANCE_DATABASE),
            (1034, codes::APPLIANCE_DATABASE),
            // Faults of reading, and of a damaged filesystem.
            (266, codes::APPLIANCE_DATABASE),
            (8458, codes::APPLIANCE_DATABASE),
            (11, codes::APPLIANCE_DATABASE_DAMAGED),
            (26, codes::APPLIANCE_DATABASE_DAMAGED),
        ] {
            assert_eq!(code_of_file(result), code, "{result}");
        }
    }
}
