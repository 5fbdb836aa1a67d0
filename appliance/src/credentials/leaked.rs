//! Leaked passwords that are long enough for the console: some 44,000 of the most frequent 1,000,000 in a list of ten
//! million. `assets/leaked-passwords.bin` has the first four bytes of the SHA-256 of each, in lower case, sorted.
//!
//! The program therefore contains no password in plain text, and needs no unpacking for a lookup. One in 100,000 other
//! passwords looks like one of them, and its user must choose another one.

use sha2::{Digest as _, Sha256};

/// Stored bytes of each password, sorted.
static LEAKED: &[u8] = include_bytes!("../../assets/leaked-passwords.bin");

/// Number of stored bytes per hash.
const STORED: usize = 4;

/// Returns true if a password has leaked, in this or another case, or with digits and symbols around it.
pub fn is_leaked(password: &str) -> bool {
    let small = password.to_lowercase();
    let inner = small.trim_matches(|character: char| !character.is_alphabetic());
    is_stored(&small) || is_stored(inner)
}

fn is_stored(password: &str) -> bool {
    let (stored, _) = LEAKED.as_chunks::<STORED>();
    stored.binary_search(&shortened(password)).is_ok()
}

fn shortened(password: &str) -> [u8; STORED] {
    let hash = Sha256::digest(password.as_bytes());
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::super::passwords::LEAST_CHARACTERS;
    use super::*;

    #[test]
    fn leaked_passwords_match_variants() {
        for leaked in [
            "1q2w3e4r5t6y",
            "leavemealone",
            "LeaveMeAlone",
            "Leavemealone2026!",
            "30SecondsToMars",
            "..manchesterunited",
        ] {
            assert!(is_leaked(leaked), "{leaked}");
        }
        for other in
            ["gravel tuba cinnamon orbit", "x9!Kq-mV2#pLw7", "合言葉はとても長い日本語です", "", "2026-2026-2026!"]
        {
            assert!(!is_leaked(other), "{other}");
        }
    }

    #[test]
    fn leaked_list_is_complete_and_sorted() {
        let (stored, rest) = LEAKED.as_chunks::<STORED>();
        assert!(rest.is_empty() && stored.is_sorted_by(|earlier, later| earlier < later));
        assert!(stored.len() > 40_000);
    }

    /// Checks the list against its source, with the SHA-256
    /// `eac6323842b3261da0ef4c180c8e23f4d056522ea97c2925b8687f453b40a2be`.
    #[test]
    #[ignore = "needs the list itself, as the file that LEAKED_PASSWORDS names"]
    fn leaked_list_matches_source() {
        let source = fs_err::read_to_string(std::env::var("LEAKED_PASSWORDS").unwrap()).unwrap();
        let long = source.lines().filter(|line| line.chars().count() >= LEAST_CHARACTERS);
        let mut made: Vec<_> = long.map(|line| shortened(&line.to_lowercase())).collect();
        made.sort_unstable();
        made.dedup();
        assert!(made.as_flattened() == LEAKED, "{} passwords", made.len());
    }
}
