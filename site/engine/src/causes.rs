//! An error with all its causes in one line, for logs and wherever else a person sees only one line. `Display` never
//! repeats the source, so by itself it says what failed but not why.

use std::error::Error;

/// What failed, and why: outermost cause first, separated by colons.
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
    fn every_cause_is_included() {
        let full = std::io::Error::from_raw_os_error(28);
        let inner = StepError::new(codes::NODE_FILE, "cannot write /etc/hosts").because(full);
        let outer = StepError::new(codes::NODE_FILE, "the name is missing").because(inner);
        let expected = "the name is missing: cannot write /etc/hosts: No space left on device (os error 28)";
        assert_eq!(with_causes(&outer), expected);
    }
}
