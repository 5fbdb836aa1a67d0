//! Names of fields and variables with secret values.

/// Parts of names with secret values.
const PARTS: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "accesskey",
    "accountkey",
    "sharedkey",
    "encryptionkey",
    "signingkey",
    "keydata",
    "dockerconfig",
    "credential",
];

/// Complete names, or ends of names after a separator, with secret values: `DB_PASS`, `MYSQL_PWD`.
const WORDS: [&str; 5] = ["pass", "pwd", "psk", "passcode", "sessionid"];

/// Beginnings of names written as one word: `dbpass`, `mysqlpwd`.
const BEFORE_WORDS: [&str; 12] =
    ["db", "user", "root", "admin", "my", "mysql", "smtp", "mail", "ldap", "bind", "require", "redis"];

/// Ends of names whose values only state the location or the lifetime of a secret.
const HARMLESS_ENDS: [&str; 16] = [
    "name",
    "names",
    "ref",
    "path",
    "file",
    "folder",
    "dir",
    "seconds",
    "type",
    "url",
    "count",
    "length",
    "limit",
    "id",
    "algorithm",
    "policy",
];

/// Names that contain a part of [`PARTS`] but mean something else: tokens of language models, and the token of an etcd
/// cluster, which only distinguishes clusters.
const HARMLESS: [&str; 14] = [
    "tokeniz",
    "eostoken",
    "bostoken",
    "padtoken",
    "unktoken",
    "septoken",
    "clstoken",
    "masktoken",
    "imagetoken",
    "stoptoken",
    "clustertoken",
    "secretstore",
    "numtoken",
    "maxtoken",
];

/// Returns true if the name of a field, variable or option indicates a secret value.
pub fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    if HARMLESS.iter().any(|part| plain.contains(part)) {
        return false;
    }
    if PARTS.iter().any(|part| plain.contains(part)) {
        return !HARMLESS_ENDS.iter().any(|end| plain.ends_with(end));
    }
    if matches!(plain.as_str(), "authorization" | "cookie" | "setcookie") {
        return true;
    }
    // `PWD` alone is the folder of a shell, and `OLDPWD` the previous one.
    WORDS.iter().any(|word| lower.strip_suffix(word).is_some_and(|before| is_before_word(name, before, word)))
}

fn is_before_word(name: &str, before: &str, word: &str) -> bool {
    if before.is_empty() {
        return word != "pwd" || name != "PWD";
    }
    let is_separated = !before.ends_with(|last: char| last.is_ascii_alphanumeric());
    let is_hump = name[before.len()..].starts_with(|first: char| first.is_ascii_uppercase())
        && before.len() < name.len()
        && name[..before.len()].ends_with(|last: char| last.is_ascii_lowercase());
    is_separated || is_hump || BEFORE_WORDS.iter().any(|known| before.ends_with(known))
}
