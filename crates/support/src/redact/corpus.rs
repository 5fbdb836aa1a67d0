//! Two corpora: secrets in every encoding, no trace of which may remain, and evidence, which must stay unchanged. No
//! secret is real; each is drawn from a fixed seed, so that no file in the repository would alarm a secret scanner.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::*;

/// Lines of logs, settings and metrics, in the form of their programs.
const HARMLESS: &str = include_str!("harmless.log");

const ALPHANUMERIC: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const HEX: &[u8] = b"0123456789abcdef";

/// Pseudorandom characters of an alphabet.
fn draw_characters(seed: &str, count: usize, alphabet: &[u8]) -> String {
    let mut bytes = vec![0; count];
    blake3::Hasher::new_derive_key(seed).finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect()
}

fn redactor_of(values: &[&str]) -> Redactor {
    let mut known = KnownValues::default();
    for value in values {
        known.add(value.as_bytes());
    }
    Redactor::new(known, [7; KEY_BYTES]).unwrap()
}

/// Escapes each character for which `write` returns a text.
fn escape_characters(value: &str, write: impl Fn(char) -> Option<String>) -> String {
    value.chars().map(|one| write(one).unwrap_or_else(|| one.to_string())).collect()
}

fn utf16(one: char, upper: bool) -> String {
    let units = one.encode_utf16(&mut [0; 2]).to_vec();
    units.iter().fold(String::new(), |mut text, unit| {
        let _infallible = if upper { write!(text, "\\u{unit:04X}") } else { write!(text, "\\u{unit:04x}") };
        text
    })
}

fn bytes_as(value: &str, write: impl Fn(u8) -> String) -> String {
    value.bytes().map(write).collect()
}

fn percent(value: &str, kept: &str) -> String {
    bytes_as(value, |byte| match char::from(byte) {
        plain if plain.is_ascii_alphanumeric() || kept.contains(plain) => plain.to_string(),
        _ => format!("%{byte:02X}"),
    })
}

fn json_text(value: &str) -> String {
    let text = json!(value).to_string();
    text[1..text.len() - 1].to_owned()
}

fn html(value: &str, quote: &str, apostrophe: &str) -> String {
    let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', quote).replace('\'', apostrophe)
}

/// Encodings of a value, each with the program that produces it.
#[expect(clippy::too_many_lines, reason = "a table")]
fn writings(value: &str) -> Vec<(&'static str, String)> {
    let go = escape_characters(&json_text(value), |one| "&<>".contains(one).then(|| utf16(one, false)));
    let ascii = |upper| escape_characters(&json_text(value), |one| (!one.is_ascii()).then(|| utf16(one, upper)));
    let python = escape_characters(value, |one| match one {
        '\\' | '\'' => Some(format!("\\{one}")),
        '\n' => Some("\\n".to_owned()),
        one if one.is_ascii() => None,
        one if u32::from(one) < 256 => Some(format!("\\x{:02x}", u32::from(one))),
        one => Some(utf16(one, false)),
    });
    let bytes = bytes_as(&value.replace('\\', "\\\\").replace('\n', "\\n"), |byte| match byte {
        0..0x80 => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    let octal = bytes_as(&value.replace('\\', "\\\\").replace('"', "\\\""), |byte| match byte {
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    });
    let shell = escape_characters(value, |one| (one.is_ascii_punctuation() || one == ' ').then(|| format!("\\{one}")));
    let numbered =
        escape_characters(value, |one| (!one.is_ascii_alphanumeric()).then(|| format!("&#{};", u32::from(one))));
    let numbered_hex =
        escape_characters(value, |one| (!one.is_ascii_alphanumeric()).then(|| format!("&#x{:X};", u32::from(one))));
    let wrapped = STANDARD.encode(format!("{}{value}{}", "user ".repeat(12), " tail".repeat(12)));
    let wrapped: Vec<_> = wrapped.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    vec![
        ("raw", value.to_owned()),
        ("JSON", json_text(value)),
        ("JSON twice", json_text(&json_text(value))),
        ("JSON of ASCII", ascii(false)),
        ("JSON of .NET", escape_characters(&ascii(true), |one| "&<>+'".contains(one).then(|| utf16(one, true)))),
        ("Go", go.clone()),
        ("Go in JSON", json_text(&go)),
        ("PHP", ascii(false).replace('/', "\\/")),
        ("Python", python),
        ("bytes of Python", bytes),
        ("C", octal),
        (
            "Rust",
            escape_characters(value, |one| (!one.is_ascii()).then(|| one.escape_unicode().to_string()))
                .replace('\n', "\\n"),
        ),
        ("shell", shell),
        ("quoted for a shell", value.replace('\'', "'\\''")),
        ("SQL", value.replace('\'', "''")),
        ("CSV", value.replace('"', "\"\"")),
        ("HTML of Go", html(value, "&#34;", "&#39;")),
        ("HTML of Python", html(value, "&quot;", "&#x27;")),
        ("HTML of PHP", html(value, "&quot;", "&#039;")),
        ("XML", html(value, "&quot;", "&apos;")),
        ("JSON in HTML", html(&json_text(value), "&quot;", "&#39;")),
        (
            "HTML in JSON of Go",
            escape_characters(&json_text(&html(value, "&#34;", "&#39;")), |one| {
                "&<>".contains(one).then(|| utf16(one, false))
            }),
        ),
        ("HTML by numbers", numbered),
        ("HTML by hexadecimal numbers", numbered_hex),
        ("URL", percent(value, "-._~")),
        ("URL in lower case", percent(value, "-._~").replace("%2F", "%2f").replace("%C3%A9", "%c3%a9")),
        ("encodeURI", percent(value, "-._~;,/?:@&=+$!*'()#")),
        ("URL twice", percent(&percent(value, "-._~"), "-._~")),
        ("every byte of a URL", percent(value, "")),
        ("form", percent(value, "-._* ").replace(' ', "+")),
        ("hexadecimal", hex::encode(value)),
        ("hexadecimal in upper case", hex::encode_upper(value)),
        ("hexadecimal of PostgreSQL", format!("\\x{}", hex::encode(value))),
        ("base64", STANDARD.encode(value)),
        ("base64 of URLs", URL_SAFE.encode(value)),
        ("base64 in PHP", STANDARD.encode(value).replace('/', "\\/")),
        ("base64 in a URL", percent(&STANDARD.encode(value), "")),
        ("base64 with a user", STANDARD.encode(format!("bob:{value}"))),
        ("base64 in lines", wrapped.join("\n")),
        ("base64 in lines in JSON", json_text(&wrapped.join("\r\n"))),
        ("base64 in indented lines", wrapped.join("\n    ")),
    ]
}

/// Values with characters that languages escape. No part of the middle may remain in any encoding.
fn values() -> Vec<String> {
    let middle = |seed: &str| draw_characters(seed, 14, ALPHANUMERIC);
    vec![
        middle("plain"),
        format!("p&{}<é>", middle("markup")),
        format!("é/{}\"'\\x", middle("quotes")),
        format!("$+ {}=%41ü", middle("signs")),
        format!("😀{}#€ /", middle("astral")),
        format!("&amp;{}\\u0026", middle("escapes")),
    ]
}

#[test]
fn encoded_known_values_are_redacted() {
    let values = values();
    let redactor = redactor_of(&values.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut forms, mut left) = (0, Vec::new());
    for value in &values {
        for (name, form) in writings(value) {
            for text in [format!("2026-11-29 said {form} end\n"), format!("{{\"a\":\"{form}\"}}")] {
                let shown = redactor.text(&text);
                forms += 1;
                let is_gone = shown.contains("[redacted:")
                    && !shown.contains(&value[value.len() / 3..value.len() / 3 + 6].to_owned());
                if !is_gone || shown.contains(&core(&form)) {
                    left.push(format!("{name}: {text} -> {shown}"));
                }
            }
        }
    }
    assert!(left.is_empty() && forms >= 400, "{} of {forms}: {}", left.len(), left.join("\n"));
}

/// Middle of a text, without the characters at the edges whose base64 depends on their neighbors.
fn core(form: &str) -> String {
    let chars: Vec<_> = form.chars().collect();
    let wide = chars.len() / 3;
    chars[wide..chars.len() - wide].iter().take(40).collect()
}

/// Names with their values, in all notations.
fn pairs(secret: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for name in [
        "password",
        "DB_PASS",
        "MYSQL_PWD",
        "SMTP_PASS",
        "REDIS_PASSWORD",
        "rootpass",
        "dbPass",
        "api_key",
        "client_secret",
        "auth-token",
        "AccountKey",
        "SharedAccessKey",
        "passphrase",
        "aws_secret_access_key",
        "encryption_key",
        "PASSWORD_2",
    ] {
        texts.extend([
            format!("{name}={secret} next=1"),
            format!("{name}: {secret}"),
            format!("\"{name}\": \"{secret}\", \"n\": 1"),
            format!("{{\\\"{name}\\\":\\\"{secret}\\\"}}"),
            format!("{{&quot;{name}&quot;:&quot;{secret}&quot;}}"),
            format!("\\u0022{name}\\u0022:\\u0022{secret}\\u0022"),
            format!("'{name}' => '{secret}',"),
            format!("?{}%3D{secret}&n=1", name.to_lowercase()),
            format!("args: [\"--{name}\",\"{secret}\"]"),
            format!("args: [\"--{name}\", \"{secret}\"]"),
            format!("\"--{name}\",\n      \"{secret}\"\n"),
            format!("- --{name}\n- {secret}\n"),
            format!("tool --app-{name} {secret} --port 1"),
            format!("{name}: |\n  {secret}\n  {secret}\nport: 1"),
            format!("    {name}: >-\n\n      {secret}\n    port: 1"),
        ]);
    }
    for name in ["passwords", "api_keys", "tokens", "passphrases"] {
        texts.push(format!("{name}: [\"{secret}\", '{secret}']"));
        texts.push(format!("\"{name}\":[\"a\",\"{secret}\"]"));
    }
    texts
}

/// Secrets that are recognized by their own form.
#[expect(clippy::too_many_lines, reason = "a table")]
fn shapes(drawn: &dyn Fn(usize) -> String) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut add = |text: String, secret: String| texts.push((text, secret));
    for (prefix, count) in [
        ("AKIA", 16),
        ("ASIA", 16),
        ("ghp_", 36),
        ("gho_", 36),
        ("ghu_", 36),
        ("ghs_", 36),
        ("ghr_", 36),
        ("github_pat_", 60),
        ("glpat-", 20),
        ("gldt-", 20),
        ("glrt-", 20),
        ("glcbt-", 20),
        ("glptt-", 40),
        ("xoxb-", 40),
        ("xoxp-", 40),
        ("xapp-", 40),
        ("hf_", 34),
        ("sk-", 48),
        ("sk-proj-", 60),
        ("sk-ant-api03-", 80),
        ("sk_live_", 24),
        ("sk_test_", 24),
        ("rk_live_", 24),
        ("whsec_", 32),
        ("AIza", 35),
        ("ya29.", 60),
        ("GOCSPX-", 28),
        ("nvapi-", 64),
        ("hvs.", 24),
        ("hvb.", 60),
        ("npm_", 36),
        ("pypi-AgE", 60),
        ("dckr_pat_", 27),
        ("dop_v1_", 64),
        ("shpat_", 32),
        ("SG.", 66),
        ("glsa_", 40),
        ("gsk_", 52),
        ("r8_", 37),
        ("lfk_012345678901_", 43),
        ("tskey-auth-", 30),
        ("dapi0123", 32),
    ] {
        let secret = drawn(count);
        add(format!("using key {prefix}{secret}."), secret.clone());
        add(format!("{{\"k\":\"{prefix}{secret}\"}}"), secret);
    }
    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
        "OpenVPN Static key V1",
    ] {
        let secret = drawn(48);
        let pem = format!("-----BEGIN {label}-----\n{secret}\n{}\n-----END {label}-----\n", drawn(20));
        add(pem.clone(), secret.clone());
        add(json_text(&pem), secret.clone());
        add(pem.replace('\n', "\n2026-11-29T06:00:00Z stdout F "), secret.clone());
        add(pem[..pem.len() - 30].to_owned(), secret.clone());
        add(format!("tls.key: {}", STANDARD.encode(&pem)), STANDARD.encode(&pem)[60..100].to_owned());
        add(pem.replace("-----BEGIN", "junk -----BEGIN"), secret);
    }
    let secret = drawn(20);
    let split = format!("{}/{}", &secret[..10], &secret[10..]);
    for (text, secret) in [
        (format!("postgres://bob:{split}@db:5432/x"), &secret[10..]),
        (format!("amqp://bob:{}@{}@mq/", &secret[..10], &secret[10..]), &secret[10..]),
        (format!("redis://:{secret}@cache:6379/0"), &secret),
        (format!("https://{secret}{secret}@git.example.com/a"), &secret),
        (format!("https%3A%2F%2Fbob%3A{secret}%40db%2Fx"), &secret),
        (format!("https:\\/\\/bob:{secret}@db\\/x"), &secret),
        (format!("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={secret}==;EndpointSuffix=x"), &secret),
        (format!("https://a.blob.core.windows.net/c?sv=2024&sig={secret}%3D&se=1"), &secret),
        (format!("https://hooks.slack.com/services/T01/B02/{secret}"), &secret),
        (format!("https://discord.com/api/webhooks/123456/{secret}"), &secret),
        (format!("https://api.telegram.org/bot12345678:{secret}/sendMessage"), &secret),
        (format!("Cookie: a=1; __Host-session={secret}; b=2"), &secret),
        (format!("cookies are __Host-session={secret}"), &secret),
        (format!("Set-Cookie: JSESSIONID={secret}; Path=/"), &secret),
        (format!("PHPSESSID={secret}"), &secret),
        (format!("authorization: Basic {}", STANDARD.encode(format!("bob:{secret}"))), &secret),
        (format!("sent bearer {secret}"), &secret),
        (format!("jwt eyJ{}.eyJ{}.{secret} end", drawn(20), drawn(40)), &secret),
        (format!("requirepass {secret}"), &secret),
        (format!("ALTER ROLE bob PASSWORD '{secret}';"), &secret),
        (format!("CREATE USER bob IDENTIFIED BY '{secret}'"), &secret),
        (format!("password=${secret}"), &secret),
        (format!("POSTGRES_PASSWORD: $2y$05${secret}"), &secret),
        (format!("pass=\"$a {secret}\""), &secret),
        (format!("[Peer]\nPresharedKey = {secret}=\n"), &secret),
        (format!("k3s token K10{}::server:{secret}", drawn(64)), &secret),
        (format!("PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\n{secret}\nPrivate-MAC: 0\n"), &secret),
    ] {
        add(text, secret.to_owned());
    }
    texts
}

#[test]
fn named_and_shaped_secrets_are_redacted() {
    let redactor = redactor_of(&[]);
    let (mut forms, mut left) = (0, Vec::new());
    let mut judge = |text: &str, secret: &str| {
        forms += 1;
        let shown = redactor.text(text);
        if shown.contains(secret) {
            left.push(format!("{text} -> {shown}"));
        }
    };
    let number = std::cell::Cell::new(0);
    let draw = |count| {
        number.set(number.get() + 1);
        draw_characters(&number.get().to_string(), count, ALPHANUMERIC)
    };
    for secret in ["hunter2".to_owned(), draw(20), format!("$Aa9{}", draw(6)), draw_characters("hex", 32, HEX)] {
        for text in pairs(&secret) {
            judge(&text, &secret);
        }
    }
    for (text, secret) in shapes(&draw) {
        judge(&text, &secret);
    }
    assert!(left.is_empty() && forms >= 400, "{} of {forms}: {}", left.len(), left.join("\n"));
}

#[test]
fn secret_arguments_and_variables_are_redacted() {
    let redactor = redactor_of(&[]);
    for (document, place) in [
        (json!({"args": ["--password", "x"]}), "/args/1"),
        (json!({"command": ["tool", "--db-pass", "x"]}), "/command/2"),
        (json!({"args": ["-token", "x"]}), "/args/1"),
        (json!({"args": ["--password=x"]}), "/args/0"),
        (json!({"env": [{"name": "DB_PASS", "value": "x"}]}), "/env/0/value"),
        (json!({"env": [{"name": "MYSQL_PWD", "value": "x"}]}), "/env/0/value"),
        (json!({"password": 1234}), "/password"),
        (json!({"passwords": ["x", "y"]}), "/passwords/1"),
        (json!({"auths": {"registry": {"auth": "x"}}}), "/auths/registry/auth"),
    ] {
        let mut redacted = document.clone();
        redactor.value(&mut redacted);
        let shown = redacted.pointer(place).unwrap().to_string();
        assert!(shown.contains("[redacted:"), "{document}: {shown}");
    }
    let plain = json!({
        "args": ["--data-dir", "/var/lib/x", "--secret-name", "db"], "maxTokens": "512", "tokenizer": "org/model",
        "eosToken": "</s>",
        "tokens": 5, "env": [{"name": "COMPASS", "value": "north"}, {"name": "PWD", "value": "/root"}], "bypass": "no",
    });
    let mut redacted = plain.clone();
    redactor.value(&mut redacted);
    assert_eq!(redacted, plain);
}

/// A secret of many lines, most of which occur in every log.
const SETTINGS: &str = "# Settings of the database\nlisten_addresses = '*'\nmax_connections = 100\n\
    --data-dir=/var/lib/x\n\
    data_directory = '/var/lib/postgresql/data'\nlog_line_prefix = '%m [%p] '\nhost all all 10.42.0.0/16 \
    scram-sha-256\n\
    image: registry.example.com/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\
    cluster: 01234567-89ab-cdef-0123-456789abcdef\nhttps://kubernetes.default.svc.cluster.local\n\
    maxConnectionsPerHost\n";

#[test]
fn evidence_stays_readable() {
    let lines: Vec<_> = HARMLESS.lines().collect();
    assert!(lines.len() >= 400, "{}", lines.len());
    // A Secret with the same lines does not make any of them sensitive.
    let texts = [SETTINGS.to_owned(), lines.join("\n")];
    for redactor in [redactor_of(&[]), redactor_of(&[SETTINGS])] {
        let changed: Vec<_> =
            lines.iter().filter(|line| redactor.text(line) != **line).map(|line| redactor.text(line)).collect();
        assert!(changed.is_empty(), "{}: {}", changed.len(), changed.join("\n"));
        for line in SETTINGS.lines() {
            assert_eq!(redactor.text(line), line);
        }
    }
    let shown = redactor_of(&[]).text(&texts[1]);
    assert_eq!(shown, texts[1], "the lines together");
}

#[test]
fn embedded_secrets_are_redacted() {
    let random = draw_characters("within", 24, ALPHANUMERIC);
    let body = [draw_characters("first", 64, ALPHANUMERIC), draw_characters("last", 30, ALPHANUMERIC)];
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----\n", body[0], body[1]);
    let mut settings = SETTINGS.to_owned();
    let _infallible = writeln!(
        settings,
        "password = hunter2a\nurl: postgres://bob:s3cr3ts@db/x\napi {random}\n\
         db:5432:x:bob:pgpass-1\n\"bob\" \"md5user1\"\n\
         machine h login u password netrc-1\nadmin:passw0rd\nblock: |\n  {random}\n{key}"
    );
    let redactor = redactor_of(&[&settings]);
    for secret in ["hunter2a", "s3cr3ts", &random, "pgpass-1", "md5user1", "netrc-1", "passw0rd", &body[0], &body[1]] {
        let shown = redactor.text(&format!("said {secret} end"));
        assert!(!shown.contains(secret), "{shown}");
    }
    for line in SETTINGS.lines() {
        assert_eq!(redactor.text(line), line);
    }
    let json = redactor_of(&[
        r#"{"user":"bob-of-site","endpoint":"https://registry.example.com/v2/","password":"simple-words"}"#,
    ]);
    assert_eq!(
        json.text("bob-of-site at https://registry.example.com/v2/"),
        "bob-of-site at https://registry.example.com/v2/"
    );
    assert!(!json.text("said simple-words").contains("simple-words"));
}

/// Texts that repeat the beginning of a secret.
#[test]
fn redaction_takes_linear_time() {
    for piece in [
        "password=",
        "\\u0026",
        "eyJ",
        "://a:b",
        "-----BEGIN PRIVATE KEY-----",
        "%25",
        "&amp;",
        "\\",
        "LS0tLS1CRUdJTi",
        "sk-",
    ] {
        let redactor = redactor_of(&["canary-value-1"]);
        let time = |count: usize| {
            let text = piece.repeat(count / piece.len());
            let began = std::time::Instant::now();
            redactor.text(&text);
            began.elapsed()
        };
        let (small, large) = (time(64 << 10), time(256 << 10));
        assert!(large < small * 16 + std::time::Duration::from_millis(500), "{piece}: {small:?}, {large:?}");
    }
}
