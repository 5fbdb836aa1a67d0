//! Tests that cases of one code have next steps of their own.

use landfall_error_codes::{CodedError as _, cases};

use super::error::OperationError;

#[test]
fn cases_have_specific_hints() {
    let rollback = |kept: &[&str]| OperationError::NoEarlierRelease {
        wanted: Some("9".to_owned()),
        kept: kept.iter().map(|version| (*version).to_owned()).collect(),
    };
    let io = |number| OperationError::io("read", "/nope", std::io::Error::from_raw_os_error(number));
    let wrong = OperationError::Unconfirmed { site: "a".to_owned(), given: "b".to_owned() };
    for (error, next) in [
        (rollback(&[]), cases::ROLLBACK_FIRST.next),
        (rollback(&["1.0", "1.1"]), "Name a version that this site keeps: 1.0, 1.1."),
        (wrong, cases::CONFIRMATION_WRONG.next),
        (io(2), cases::FILE_MISSING.next),
        (io(30), cases::FILE_READ_ONLY.next),
    ] {
        assert_eq!(error.hint().as_deref(), Some(next), "{error}");
    }
}
