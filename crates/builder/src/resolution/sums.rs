//! Published checksums: a publisher's file with the SHA-256 of other files, as `sha256sum` and similar tools write it.
//! The stated digest is compared with the pin and with the bytes from the server.
//!
//! Threats: the checksum file comes from outside. It may be endless, name a file twice, or state the digest of another
//! file. It is read up to a limit, and only one SHA-256 for the file's own name is used. If the two come from different
//! servers, a match shows that both have one publisher; it is not a signature.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use percent_encoding::percent_decode_str;

use super::resolve::Resolver;
use crate::error::{BuildError, Result};
use crate::fetch::FileRequest;
use crate::file_url::FileUrl;
use crate::lock::LockedFile;

/// Maximum size of a checksum file in bytes; those of large projects have a few hundred lines.
const LIMIT_BYTES: usize = 1 << 20;

/// Hexadecimal digits of the shortest digest that a line may start with, that of MD5.
const SHORTEST_DIGITS: usize = 32;

/// Name of the file if a digest was computed from standard input.
const STANDARD_INPUT: &str = "-";

/// Names of SHA-256 in lines of the form `SHA256 (file) = digest`.
const ALGORITHMS: [&str; 2] = ["SHA256", "SHA2-256"];

impl Resolver<'_> {
    /// The published SHA-256 of a file, if the lock names checksums.
    pub(super) async fn stated(self, file: &LockedFile) -> Result<Option<Sha256>> {
        let Some(sums) = &file.sums else { return Ok(None) };
        let bytes = self.client.document(FileRequest::file(&sums.url), LIMIT_BYTES, self.progress).await?;
        let stated = stated(&String::from_utf8_lossy(&bytes), &file.url).map_err(|why| {
            BuildError::new(codes::SUMS_WITHOUT_FILE, format!("{} {why}, and should state {}", sums.url, file.url))
        })?;
        Ok(Some(stated))
    }

    /// Fetches the published checksums of a file, if the lock names any. Returns an error if a pin for the current URL
    /// differs.
    pub(super) async fn must_confirm(self, file: &LockedFile) -> Result<()> {
        let stated = self.stated(file).await?;
        let pinned = file.digest.value.as_known().filter(|_| file.is_binding());
        if let (Some(sums), Some(stated), Some(pinned)) = (&file.sums, stated, pinned) {
            sums.must_state(&file.url, stated, ("which the lock pins as", *pinned))?;
        }
        Ok(())
    }
}

/// The SHA-256 that a checksum file states for the file at a URL, or the reason why there is none.
fn stated(text: &str, file: &FileUrl) -> std::result::Result<Sha256, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, path) = (decoded(file.name()), decoded(file.path()));
    let shown = name.escape_default();
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let [only] = lines[..]
        && let Some(digest) = bare(only)
    {
        return Ok(digest);
    }
    let lines: Vec<_> = lines.into_iter().filter_map(Line::read).filter(|line| line.base() == name).collect();
    // If several folders of one build are listed, the one in the URL is used.
    let fitting = |line: &Line<'_>| path.ends_with(&format!("/{}", line.name));
    let longest = lines.iter().filter(|line| fitting(line)).map(|line| line.name.len()).max();
    let meant = lines.iter().filter(|line| longest.is_none_or(|length| fitting(line) && line.name.len() == length));
    let digests: BTreeSet<_> = meant.filter_map(|line| line.digest).collect();
    match (digests.first(), digests.len()) {
        (Some(digest), 1) => Ok(*digest),
        (Some(_), _) => Err(format!("has several SHA-256 for `{shown}`")),
        (None, _) if lines.is_empty() => Err(format!("has no line for `{shown}`")),
        (None, _) => Err(format!("has a line for `{shown}` without a SHA-256")),
    }
}

/// The digest in a file without file names, or in one computed from standard input.
fn bare(line: &str) -> Option<Sha256> {
    let mut words = line.split_whitespace();
    let digest = sha256(words.next()?)?;
    let rest = words.next();
    (rest.is_none_or(|word| word == STANDARD_INPUT) && words.next().is_none()).then_some(digest)
}

/// A line that names a file.
struct Line<'a> {
    /// Name of the file, with folders if the line has them.
    name: &'a str,
    /// Digest; `None` for another algorithm.
    digest: Option<Sha256>,
}

impl<'a> Line<'a> {
    /// Parses a line of GNU, `digest  file` or `digest *file`, or of BSD and OpenSSL, `SHA256 (file) = digest`.
    fn read(line: &'a str) -> Option<Self> {
        Self::of_gnu(line).or_else(|| Self::of_bsd(line))
    }

    fn of_gnu(line: &'a str) -> Option<Self> {
        let (digest, rest) = line.split_once([' ', '\t'])?;
        let is_digest = digest.len() >= SHORTEST_DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let rest = rest.trim_start();
        is_digest.then(|| Self::new(rest.strip_prefix('*').unwrap_or(rest), sha256(digest)))
    }

    fn of_bsd(line: &'a str) -> Option<Self> {
        let (algorithm, rest) = line.split_once('(')?;
        let (name, digest) = rest.rsplit_once(')')?;
        let digest = digest.trim_start().strip_prefix('=')?.trim();
        let is_known = ALGORITHMS.iter().any(|known| algorithm.trim().eq_ignore_ascii_case(known));
        Some(Self::new(name, if is_known { sha256(digest) } else { None }))
    }

    fn new(name: &'a str, digest: Option<Sha256>) -> Self {
        Self { name: name.strip_prefix("./").unwrap_or(name), digest }
    }

    /// The name without folders.
    fn base(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(self.name)
    }
}

/// Parses a SHA-256 with hexadecimal digits of either case.
fn sha256(digits: &str) -> Option<Sha256> {
    Sha256::from_hex(&digits.to_ascii_lowercase()).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_error_codes::CodedError as _;
    use landfall_media::progress::SilentProgress;
    use landfall_media::store::ContentStore;

    use super::*;
    use crate::fetch::{Client, DockerConfiguration, Registries, Retry};
    use crate::lock::Lock;
    use crate::resolution::Resolution;
    use landfall_test_registry::{Registry, digest};

    const ADDRESS: &str = "https://dl.example/v1/amd64/kubelet";

    fn of(text: &str) -> std::result::Result<Sha256, String> {
        stated(text, &ADDRESS.parse().expect("address"))
    }

    #[test]
    fn checksum_line_formats_are_recognized() {
        let (own, other) = (Sha256([0xab; 32]), Sha256([1; 32]));
        let (hex, other_hex) = (own.to_hex(), other.to_hex());
        let sha512 = "cd".repeat(64);
        for text in [
            format!("{other_hex}  kubectl\n{hex}  kubelet\n"),
            format!("{hex} *kubelet\r\n{other_hex} *kubelet.sig\r\n"),
            format!("{hex}\tkubelet"),
            format!("{}  ./v1/amd64/kubelet\n", hex.to_uppercase()),
            format!("{other_hex}  arm64/kubelet\n{hex}  amd64/kubelet\n"),
            format!("{hex}  out/of/the/build/kubelet\n"),
            format!("SHA256 (kubelet) = {hex}\nSHA512 (kubelet) = {sha512}\n"),
            format!("SHA2-256(kubelet)= {hex}\n"),
            format!("{sha512}  kubelet\n{hex}  kubelet\n{hex}  kubelet\n"),
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{hex}  kubelet\n"),
            format!("{hex}\n"),
            format!("\n{hex}"),
            format!("{hex}  -\n"),
        ] {
            assert_eq!(of(&text), Ok(own), "{text}");
        }
        let with_space =
            stated(&format!("{hex}  a b.iso\n"), &"https://dl.example/a%20b.iso".parse().expect("address"));
        assert_eq!(with_space, Ok(own));
    }

    #[test]
    fn ambiguous_checksums_are_explained() {
        let (hex, other) = (Sha256([0xab; 32]).to_hex(), Sha256([1; 32]).to_hex());
        for (text, why) in [
            (String::new(), "no line"),
            ("<html>not found</html>".to_owned(), "no line"),
            (format!("{hex}  kubectl\n"), "no line"),
            (format!("{hex}  kubelet.tar.gz\n"), "no line"),
            (format!("{hex}\n{other}\n"), "no line"),
            (format!("{hex}  kubelet\n{other}  kubelet\n"), "several SHA-256"),
            (format!("{}  kubelet\n", "cd".repeat(64)), "without a SHA-256"),
            (format!("MD5 (kubelet) = {hex}\n"), "without a SHA-256"),
            (format!("{}  kubelet\n", &hex[..63]), "without a SHA-256"),
        ] {
            let refused = of(&text).expect_err(&text);
            assert!(refused.contains(why) && refused.contains("`kubelet`"), "{text}: {refused}");
        }
    }

    /// A server with a file and its checksums, and a lock that names both.
    struct Case {
        server: Registry,
        folder: tempfile::TempDir,
    }

    impl Case {
        async fn new(sums: &[u8]) -> Self {
            let server = Registry::start(|_| ()).await;
            server.add_file("kubelet", b"kubelet");
            server.add_file("SHA256SUMS", sums);
            Self { server, folder: tempfile::tempdir().expect("folder") }
        }

        fn address(&self, name: &str) -> String {
            format!("http://{}/files/{name}", self.server.address())
        }

        fn text(&self) -> String {
            format!(
                "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
                 dl.example/node:1\n    files:\n      - url: {}\n        sums: {}  # published\n        digest: \
                 unresolved\n        size: unresolved\n        path: kubelet\n",
                self.address("kubelet"),
                self.address("SHA256SUMS")
            )
        }

        async fn run_resolution(&self, text: &str) -> Resolution {
            let lock = Lock::parse(Path::new("images.lock"), text.to_owned()).expect("lock");
            let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
            let store = ContentStore::at(self.folder.path());
            crate::resolution::resolve(&lock, &[], &client, &store, &SilentProgress).await
        }
    }

    fn line(bytes: &[u8]) -> String {
        format!("{}  kubelet\n", digest(bytes).to_hex())
    }

    fn refusal(resolution: &Resolution) -> (&'static str, String) {
        let [refused] = &resolution.failures[..] else { panic!("{:?}", resolution.failures) };
        (refused.code().id, refused.to_string())
    }

    #[tokio::test]
    async fn confirming_checksums_are_recorded() {
        let case = Case::new(line(b"kubelet").as_bytes()).await;
        let resolution = case.run_resolution(&case.text()).await;
        assert_eq!((resolution.resolved, resolution.failures.len()), (1, 0), "{:?}", resolution.failures);
        let (kubelet, sums) = (case.address("kubelet"), case.address("SHA256SUMS"));
        let expected = case
            .text()
            .replacen(&format!("url: {kubelet}\n"), &format!("url: {kubelet}\n        resolved: {kubelet}\n"), 1)
            .replacen("# published\n", &format!("# published\n        confirmed: {sums}\n"), 1)
            .replacen("digest: unresolved", &format!("digest: {}", digest(b"kubelet")), 1)
            .replacen("size: unresolved", "size: 7", 1);
        assert_eq!(resolution.text, expected);

        // Confirmed files are not requested again; new checksums are, without their file.
        let asked = case.server.requests();
        assert_eq!(case.run_resolution(&expected).await.text, expected);
        assert_eq!(case.server.requests(), asked);
        let without = expected.replacen(&format!("        confirmed: {sums}\n"), "", 1);
        let lock = Lock::parse(Path::new("images.lock"), without.clone()).expect("lock");
        let refused = lock.check_resolved(&[&lock.document.artifacts[0]]).expect_err("not confirmed");
        assert_eq!(refused.code().id, "LF2030");
        assert!(refused.to_string().contains(&sums), "{refused}");
        assert_eq!(case.run_resolution(&without).await.text, expected);
        assert_eq!(case.server.requests(), asked + 1);
    }

    #[tokio::test]
    async fn mismatched_checksums_show_both_digests() {
        let case = Case::new(line(b"other").as_bytes()).await;
        let (own, other) = (digest(b"kubelet"), digest(b"other"));
        let open = case.text();
        let confirmed = format!("digest: {own}\n        resolved: {}", case.address("kubelet"));
        let pinned = open.replacen("digest: unresolved", &confirmed, 1).replacen("size: unresolved", "size: 7", 1);
        for (text, whose) in [(open, "whose server sends"), (pinned, "which the lock pins as")] {
            let resolution = case.run_resolution(&text).await;
            let (code, said) = refusal(&resolution);
            assert_eq!((code, resolution.text.as_str()), ("LF2150", text.as_str()), "{said}");
            for part in [case.address("kubelet"), case.address("SHA256SUMS"), own.to_string(), other.to_string()] {
                assert!(said.contains(&part) && said.contains(whose), "{said}");
            }
        }
    }

    /// Example: a digest pinned by another project, next to a size that was not.
    #[tokio::test]
    async fn pin_is_compared_before_checksums() {
        let case = Case::new(line(b"kubelet").as_bytes()).await;
        let open = case.text();
        let pinned = |bytes: &[u8]| open.replacen("digest: unresolved", &format!("digest: {}", digest(bytes)), 1);
        let resolution = case.run_resolution(&pinned(b"other")).await;
        let (code, said) = refusal(&resolution);
        assert_eq!((code, case.server.requests()), (codes::FETCH_MISMATCH.id, 2), "sums and file are asked: {said}");
        assert!(said.contains(&format!("where the lock says {}", digest(b"other"))), "{said}");
        assert_eq!(resolution.text, pinned(b"other"), "nothing of it is pinned");

        let case = Case::new(line(b"other").as_bytes()).await;
        let text = case.text().replacen("digest: unresolved", &format!("digest: {}", digest(b"kubelet")), 1);
        let (code, said) = refusal(&case.run_resolution(&text).await);
        assert!(code == "LF2150" && said.contains("whose server sends"), "{code} {said}");
    }

    #[tokio::test]
    async fn useless_checksum_files_are_refused() {
        let case = Case::new(b"# nothing\n").await;
        let (code, said) = refusal(&case.run_resolution(&case.text()).await);
        assert!(code == "LF2149" && said.contains(&case.address("SHA256SUMS")), "{code} {said}");
        let long = [line(b"kubelet").into_bytes(), vec![b'\n'; LIMIT_BYTES]].concat();
        let case = Case::new(&long).await;
        let (code, said) = refusal(&case.run_resolution(&case.text()).await);
        assert_eq!(code, codes::BODY_TOO_LONG.id, "{said}");
    }

    #[test]
    fn invalid_checksum_fields_are_refused() {
        let text = "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
            dl.example/node:1\n    files:\n      - \
            {url: 'https://dl.example/a', FIELD, digest: unresolved, size: unresolved, path: a}\n";
        for (field, named) in [
            ("confirmed: 'https://dl.example/b'", "artifacts[0].files[0].confirmed"),
            ("sums: 'ftp://dl.example/b'", "artifacts[0].files[0].sums"),
        ] {
            let refused = Lock::parse(Path::new("images.lock"), text.replace("FIELD", field)).expect_err(field);
            assert_eq!(refused.code().id, "LF2005");
            assert!(refused.to_string().contains(named), "{refused}");
        }
    }
}
