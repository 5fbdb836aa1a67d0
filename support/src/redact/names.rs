//! Names of fields and variables, and whether their values are secret.

/// Parts of names whose values are secret.
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

/// Whole names, or ends of names behind a separator, whose values are secret: `DB_PASS`, `MYSQL_PWD`.
const WORDS: [&str; 5] = ["pass", "pwd", "psk", "passcode", "sessionid"];

/// Ends of names in one word: `dbpass`, `mysqlpwd`.
const BEFORE_WORDS: [&str; 12] =
    ["db", "user", "root", "admin", "my", "mysql", "smtp", "mail", "ldap", "bind", "require", "redis"];

/// Ends of names whose values only say where a secret is, or how long it lives.
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

/// Names with the part of a secret that speak of something else: text of language models, and the token of an etcd cluster, which
/// only tells clusters apart.
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

/// Whether a field, variable or option of this name holds a secret, as far as its name says.
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
    // `PWD` alone is the folder of a shell, and `OLDPWD` the one before.
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
