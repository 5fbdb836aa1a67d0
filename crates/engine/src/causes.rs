//! Formatting of an error with all its causes on one line, for logs and other single-line output. `Display` never
//! repeats the source, so on its own it says what failed but not why.

use std::error::Error;

/// Returns the error and its causes, outermost first, separated by colons.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| (*error).source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::codes;

    use super::*;
    use crate::step::StepError;

    #[test]
    fn all_causes_are_included() {
        let full = std::io::Error::from_raw_os_error(28);
        let inner = StepError::new(codes::NODE_FILE, "cannot write /etc/hosts").because(full);
        let outer = StepError::new(codes::NODE_FILE, "the name is missing").because(inner);
        let expected = "the name is missing: cannot write /etc/hosts: No space left on device (os error 28)";
        assert_eq!(with_causes(&outer), expected);
    }
}
