//! Estimate of the guesses needed for a password by an attacker who tries common choices first. These are leaked
//! passwords, frequent names and words, their usual variants, keyboard rows, dates and repetitions. The library zxcvbn
//! counts the guesses, and contains the lists.

use zxcvbn::zxcvbn;

/// Minimum number of guesses for a password. A combination of one frequent word, some digits and a symbol needs fewer.
/// Three randomly chosen words, or twelve characters that are not words, need a hundred times as many.
const FEWEST: u64 = 10_000_000_000;

/// Number of leading characters that are judged: after such a beginning, any end is acceptable. The time grows with
/// their square.
const JUDGED: usize = 32;

/// Names of the product and of its parts, which an attacker tries here before other words.
const OWN: [&str; 4] = ["landfall", "console", "appliance", "administrator"];

/// Returns true if a user's password is guessed soon. Takes up to a tenth of a second, so it must not run on serving
/// threads.
pub fn is_guessed_soon(password: &str, name: &str) -> bool {
    let beginning: String = password.chars().take(JUDGED).collect();
    let parts = name.split(|character: char| !character.is_alphanumeric()).filter(|part| part.chars().count() > 2);
    let known: Vec<&str> = std::iter::once(name).chain(parts).chain(OWN).collect();
    zxcvbn(&beginning, &known).guesses() < FEWEST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn predictable_passwords_are_guessable() {
        for password in [
            "Manchester2026!",
            "JenniferAniston",
            "michaelmichael",
            "Championship1!",
            "thisismypassword",
            "ilovemydaughter",
            "liverpoolfc1892",
            "hunter2hunter2",
            "11.11.1987-11",
            "january2026xyz",
            "weatherspoon-77",
            "k.merriweather1",
            "1q2w3e4r5t6y7u",
        ] {
            assert!(is_guessed_soon(password, "k.merriweather"), "{password}");
        }
    }

    #[test]
    fn random_passphrases_are_strong() {
        for password in [
            "gravel tuba cinnamon orbit",
            "puffin lantern granite wharf",
            "velvet-anchor-93-puffin",
            "three blind mice",
            "Der Zug nach Ulm hält nie",
            "x9!Kq-mV2#pLw7",
            "kxqzjwvprtfb",
            "合言葉はとても長い日本語です",
            "Manchester2026! and a puffin of granite",
        ] {
            assert!(!is_guessed_soon(password, "alice"), "{password}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_text_is_judged(password in any::<String>(), name in any::<String>()) {
            is_guessed_soon(&password, &name);
        }
    }
}
