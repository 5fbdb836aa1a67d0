//! Credentials without their users: secrets, passwords and their hashes, and the limits of attempts.

mod common;
mod failures;
mod guessed;
mod leaked;
mod passwords;
mod secret;
mod throttle;

pub use failures::{Failures, Fate, NAMES, Rest};
pub use passwords::{Hasher, LEAST_CHARACTERS, MOST_BYTES};
pub use secret::{Secret, identifier};
pub use throttle::Throttle;
