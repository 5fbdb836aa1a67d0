//! One-use tokens: each run of `landfall console` on the host can make one administrator of the console.

use std::io::ErrorKind;

use jiff::{SignedDuration, Timestamp};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::durable;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::ConsoleFiles;

/// Validity of a token.
const VALID: SignedDuration = SignedDuration::from_hours(1);
/// Letters and digits that are not easily confused: 32 of them.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Length of a token: 120 bits.
const LENGTH: usize = 24;
/// Number of characters between two dashes.
const GROUP: usize = 6;

/// A new token, of which only the digest is stored.
pub struct OneUseToken {
    /// Text that a person reads and types.
    pub text: String,
    /// Time when it expires.
    pub ends: Timestamp,
}

/// Stored data of a token, in a file named by its digest.
#[derive(Serialize, Deserialize)]
struct StoredToken {
    made: Timestamp,
}

impl OneUseToken {
    /// Issues a token and invalidates earlier ones.
    pub fn issue(files: &ConsoleFiles, now: Timestamp) -> Result<Self, StepError> {
        let mut random = rand::rng();
        let letters: Vec<u8> = (0..LENGTH).map(|_| ALPHABET[random.random_range(0..ALPHABET.len())]).collect();
        let groups: Vec<_> = letters.chunks(GROUP).map(String::from_utf8_lossy).collect();
        let text = groups.join("-");
        let ends = now.saturating_add(VALID).unwrap_or(Timestamp::MAX);
        remove_all(files)?;
        files.write(&name(&text), &StoredToken { made: now })?;
        Ok(Self { text, ends })
    }

    /// Returns true if a token is valid, and invalidates it. Among parallel claims of one token, only the one that
    /// removes its file succeeds.
    pub fn claim(files: &ConsoleFiles, text: &str, now: Timestamp) -> Result<bool, StepError> {
        let name = name(text);
        let Some(kept) = files.read::<StoredToken>(&name)? else { return Ok(false) };
        let path = files.folder.join(&name);
        match fs_err::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                return Err(StepError::new(codes::CONSOLE_FILES, "the token cannot be used up").because(error));
            }
            Ok(()) => durable::sync_folder(&files.folder)?,
        }
        // A clock that is set back slightly does not invalidate a token.
        Ok(now.duration_since(kept.made).abs() < VALID)
    }
}

const PREFIX: &str = "token-";

/// Returns the file name of a token. Case, dashes and spaces do not matter.
fn name(text: &str) -> String {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_uppercase()).collect();
    format!("{PREFIX}{}.json", hex::encode(Sha256::digest(letters.as_bytes())))
}

fn remove_all(files: &ConsoleFiles) -> Result<(), StepError> {
    let Ok(entries) = fs_err::read_dir(&files.folder) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        durable::remove_file(&entry.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use landfall_host::paths::SitePaths;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn minutes(count: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(count)
    }

    #[test]
    fn token_counts_once_within_its_time() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        let issue = || OneUseToken::issue(&files, NOW).unwrap().text;
        let claim = |text: &str, at| OneUseToken::claim(&files, text, at).unwrap();
        assert!(!claim("ABCDEF", NOW), "none was made");
        let token = issue();
        assert_eq!(token.len(), LENGTH + LENGTH / GROUP - 1, "{token}");
        assert!(!claim("ABCDEF", minutes(1)), "another one");
        assert!(claim(&format!(" {} ", token.to_lowercase().replace('-', " ")), minutes(1)));
        assert!(!claim(&token, minutes(1)), "it was used");
        assert!(!claim(&issue(), minutes(60)), "it has ended");
        assert!(claim(&issue(), minutes(-1)), "the clock was set back by a little");
        assert!(!claim(&issue(), minutes(-60)), "the clock was set back by much");
        let (older, newer) = (issue(), issue());
        assert!(!claim(&older, NOW) && claim(&newer, NOW));
    }

    /// Number of concurrent claims of one token, each in its own thread.
    const CLAIMS: usize = 1000;

    #[test]
    fn one_parallel_claim_counts() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        for _ in 0..3 {
            let token = OneUseToken::issue(&files, NOW).unwrap().text;
            let all_are_there = Barrier::new(CLAIMS);
            let claim = || {
                all_are_there.wait();
                OneUseToken::claim(&files, &token, NOW).unwrap()
            };
            let counted = std::thread::scope(|scope| {
                let claims: Vec<_> = (0..CLAIMS).map(|_| scope.spawn(claim)).collect();
                claims.into_iter().map(|claim| claim.join().unwrap()).filter(|counted| *counted).count()
            });
            assert_eq!(counted, 1);
            assert!(!OneUseToken::claim(&files, &token, NOW).unwrap(), "nor does a later one");
        }
    }
}
