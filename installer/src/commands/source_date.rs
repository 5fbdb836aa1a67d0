//! The time that a vendor's document names: now, or what `SOURCE_DATE_EPOCH` says, so that it can be made again.

use jiff::Timestamp;
use landfall_error_codes::codes;

use crate::failure::Failure;

/// Variable with the seconds since 1970.
const EPOCH_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// That time.
pub(super) fn now() -> Result<Timestamp, Failure> {
    let Ok(text) = std::env::var(EPOCH_VARIABLE) else { return Ok(Timestamp::now()) };
    let seconds = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let bad =
        || Failure::new(codes::BAD_ARGUMENT, format!("{EPOCH_VARIABLE}={text} is not a number of seconds since 1970"));
    seconds.ok_or_else(bad)
}
