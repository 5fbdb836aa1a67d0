//! Quoting for a shell: any text of a fact stays one word.

/// Quotes a word for `sh` if needed.
pub fn quote(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_special_words_are_quoted() {
        for word in ["/var/lib/landfall", "10.244.0.0/16", "a-b_c.d", "x=y"] {
            assert_eq!(quote(word), word);
        }
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's; rm -rf /"), r"'it'\''s; rm -rf /'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("-n"), "'-n'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The shell itself verifies the result.
        #[test]
        fn quoted_text_stays_one_word(word in "[^\u{0}]{0,40}") {
            let script = format!("printf %s {}", quote(&word));
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert!(output.status.success());
            prop_assert_eq!(output.stdout, word.into_bytes());
        }
    }
}
