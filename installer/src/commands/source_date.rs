//! Time in a vendor's document: the present time, or `SOURCE_DATE_EPOCH` for reproducible output.

use jiff::Timestamp;
use landfall_error_codes::codes;

use crate::failure::Failure;

/// Variable with the seconds since 1970.
const EPOCH_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// The time for a vendor's document.
pub(super) fn now() -> Result<Timestamp, Failure> {
    let Ok(text) = std::env::var(EPOCH_VARIABLE) else { return Ok(Timestamp::now()) };
    let seconds = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let bad =
        || Failure::new(codes::BAD_ARGUMENT, format!("{EPOCH_VARIABLE}={text} is not a number of seconds since 1970"));
    seconds.ok_or_else(bad)
}
