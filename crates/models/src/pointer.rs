//! Pointers of Git LFS: short texts that a repository has in place of large files, until `git lfs pull` replaces them.

/// Upper bound of the size of a pointer in bytes.
pub const POINTER_BYTES: u64 = 1024;

/// First bytes of pointers: the current form, and the one from before the extension got its name.
const VERSIONS: [&[u8]; 2] = [b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/"];

/// Returns true if these bytes are a complete pointer.
pub fn is_pointer(bytes: &[u8]) -> bool {
    let names_content = || bytes.windows(OID.len()).any(|window| window == OID);
    (bytes.len() as u64) < POINTER_BYTES && VERSIONS.iter().any(|version| bytes.starts_with(version)) && names_content()
}

/// Beginning of the line that identifies the file.
const OID: &[u8] = b"\noid sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lfs_pointers_are_recognized() {
        let oid = format!("oid sha256:{}\nsize 12345\n", "0".repeat(64));
        assert!(is_pointer(format!("version https://git-lfs.github.com/spec/v1\n{oid}").as_bytes()));
        assert!(is_pointer(
            format!("version https://git-lfs.github.com/spec/v1\next-0-foo sha256:1\n{oid}").as_bytes()
        ));
        assert!(is_pointer(format!("version https://hawser.github.com/spec/v1\n{oid}").as_bytes()));
        for other in [String::new(), oid.clone(), "version https://git-lfs.github.com/spec/v1\n".to_owned()] {
            assert!(!is_pointer(other.as_bytes()), "{other}");
        }
        let long = format!("version https://git-lfs.github.com/spec/v1\n{oid}{}", "x".repeat(1024));
        assert!(!is_pointer(long.as_bytes()), "a text about pointers");
    }
}
