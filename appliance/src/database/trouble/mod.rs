//! What a failed query says of the database: whether it is locked, has no space left, or is damaged. The first two pass, and the next
//! query is like any other.

use landfall_error_codes::{Code, codes};

/// Result codes of SQLite, which have details in the bits above these (<https://www.sqlite.org/rescode.html>).
const KIND: i32 = 0xff;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NO_DATABASE: i32 = 26;

/// The registry's entry of a failed query.
pub fn code_of(error: &sqlx::Error) -> Code {
    // Those that wait for the one connection that writes wait because it does.
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return codes::APPLIANCE_DATABASE_LOCKED;
    }
    let result = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    match result.map(|result| result & KIND) {
        Some(BUSY | LOCKED) => codes::APPLIANCE_DATABASE_LOCKED,
        Some(FULL) => codes::APPLIANCE_DATABASE_FULL,
        Some(CORRUPT | NO_DATABASE) => codes::APPLIANCE_DATABASE_DAMAGED,
        _ => codes::APPLIANCE_DATABASE,
    }
}

#[cfg(test)]
mod tests;
