//! Requesters in the form that the host accepts.

use crate::audit::Author;
use crate::refusal::Refusal;

/// Maximum length of a person's name that the host accepts, in bytes.
const NAME_BYTES: usize = 96;

/// Returns the refusal of a malformed request ID.
pub(super) fn unusable_id() -> Refusal {
    Refusal::Invalid("request: 8 to 96 lower-case hexadecimal digits and hyphens".to_owned())
}

/// Creates a request ID.
pub fn new_request() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Returns the author's name in the form that the host accepts.
pub(super) fn host_name_of(author: &Author) -> String {
    let letters = author.name.chars().filter(|letter| !landfall_peer::is_hidden(*letter));
    let short = letters.scan(0, |bytes, letter| {
        *bytes += letter.len_utf8();
        (*bytes <= NAME_BYTES).then_some(letter)
    });
    short.collect()
}
