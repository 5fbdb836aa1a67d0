//! Parts of a file: one range of bytes, as specified by RFC 9110. A client that requests several ranges gets the whole
//! file, which is allowed.

use std::ops::Range;

/// The part of a file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The whole file.
    Whole,
    /// These bytes: at least one, and none after the end.
    Bytes(Range<u64>),
    /// No bytes: the range begins after the end.
    Beyond,
}

/// Returns the part that a client requests with `Range` and `If-Range`, of a file with this tag and size.
pub fn part(range: Option<&str>, if_range: Option<&str>, tag: &str, size: u64) -> Part {
    // A date never matches, because the files have no meaningful dates.
    if if_range.is_some_and(|wanted| wanted.trim() != tag) {
        return Part::Whole;
    }
    range.and_then(|range| one(range, size)).unwrap_or(Part::Whole)
}

/// Returns the range, or `None` if the header is invalid or not supported.
fn one(header: &str, size: u64) -> Option<Part> {
    let (unit, range) = header.trim().split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first, size.min(last.saturating_add(1)))
        }
    };
    Some(if start < end { Part::Bytes(start..end) } else { Part::Beyond })
}

/// Parses digits; `parse` alone would also accept a sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number with too many digits lies beyond the end of any file.
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_single_ranges_are_supported() {
        let table = [
            ("bytes=0-9", Part::Bytes(0..10)),
            ("bytes=90-", Part::Bytes(90..100)),
            ("bytes=-5", Part::Bytes(95..100)),
            ("bytes=-500", Part::Bytes(0..100)),
            ("bytes=99-1000", Part::Bytes(99..100)),
            ("Bytes=1-1", Part::Bytes(1..2)),
            ("bytes=100-", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=99999999999999999999999-", Part::Beyond),
            ("bytes=9-1", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("0-1", Part::Whole),
            ("", Part::Whole),
        ];
        for (header, wanted) in table {
            assert_eq!(part(Some(header), None, "\"t\"", 100), wanted, "{header}");
        }
        assert_eq!(part(None, None, "\"t\"", 100), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), None, "\"t\"", 0), Part::Beyond);
        assert_eq!(part(Some("bytes=0-1"), Some("\"t\""), "\"t\"", 100), Part::Bytes(0..2));
        assert_eq!(part(Some("bytes=0-1"), Some("W/\"t\""), "\"t\"", 100), Part::Whole);
        assert_eq!(part(Some("bytes=0-1"), Some("Wed, 21 Oct 2015 07:28:00 GMT"), "\"t\"", 100), Part::Whole);
    }

    proptest! {
        #[test]
        fn range_stays_within_file(header in "bytes=[0-9,-]{0,30}|\\PC{0,30}", size in any::<u64>()) {
            if let Part::Bytes(range) = part(Some(&header), None, "\"t\"", size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
