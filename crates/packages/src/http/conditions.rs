//! Entity tags, which avoid resending bytes that a client already has.

use landfall_bundle_spec::Sha256;

/// Returns the entity tag of bytes with this digest, with quotes.
pub fn tag_of(digest: Sha256) -> String {
    format!("\"{}\"", digest.to_hex())
}

/// Returns true if an `If-None-Match` header names the tag or `*`.
pub fn has_already(if_none_match: Option<&str>, tag: &str) -> bool {
    let Some(header) = if_none_match else { return false };
    header.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_and_listed_tags_match() {
        let tag = tag_of(Sha256([7; 32]));
        assert!(has_already(Some(&tag), &tag));
        assert!(has_already(Some(&format!("\"a\", W/{tag}")), &tag));
        assert!(has_already(Some("*"), &tag));
        for other in [None, Some(""), Some("\"a\""), Some(tag.trim_matches('"'))] {
            assert!(!has_already(other, &tag), "{other:?}");
        }
    }
}
