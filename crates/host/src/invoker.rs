//! Person behind a command of this host, as far as the host knows one.

use crate::files;
use crate::paths::SitePaths;

/// File with the ID of the signed-in user, which stays the same through `sudo` and `su`.
const LOGIN: &str = "/proc/self/loginuid";
/// Its content if no one has signed in, as in a unit of systemd.
const NO_LOGIN: u32 = u32::MAX;
/// File with the users of the host.
const USERS: &str = "/etc/passwd";
/// Maximum number of bytes read from that file.
const USERS_BYTES: u64 = 1 << 20;
/// Longest name, in bytes.
const NAME_BYTES: usize = 96;

/// Returns the name of the user who runs this process, from before `sudo`. It is `user 1000` if the host has no name
/// for the ID, as for users of a directory. `None` if no one has signed in.
pub fn invoker(paths: &SitePaths) -> Option<String> {
    find_invoker(paths, std::env::var("SUDO_USER").ok())
}

fn find_invoker(paths: &SitePaths, sudo: Option<String>) -> Option<String> {
    let login = login(paths);
    let named = login.and_then(|user| name_of(paths, user));
    named.or_else(|| sudo.filter(|name| is_name(name))).or_else(|| login.map(|user| format!("user {user}")))
}

fn login(paths: &SitePaths) -> Option<u32> {
    let text = files::read_text(&paths.host(LOGIN)).ok().flatten()?;
    text.trim().parse().ok().filter(|user| *user != NO_LOGIN)
}

fn name_of(paths: &SitePaths, user: u32) -> Option<String> {
    let bytes = files::read_at_most(&paths.host(USERS), USERS_BYTES).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let of_line = |line: &str| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse::<u32>().is_ok_and(|number| number == user) && is_name(name)).then(|| name.to_owned())
    };
    text.lines().find_map(of_line)
}

/// Returns true if a text is short and printable.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES && text.chars().all(|letter| letter.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    fn host(login: &str, users: &str) -> (tempfile::TempDir, SitePaths) {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        for (path, text) in [(LOGIN, login), (USERS, users)] {
            let path = paths.host(path);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
        }
        (root, paths)
    }

    #[test]
    fn invoker_comes_from_kernel_or_sudo() {
        let found = |login: &str, sudo: Option<&str>| {
            let users = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n\
                b\u{1b}d:x:1001:1001::/:/bin/sh\nbroken\n";
            let (_root, paths) = host(login, users);
            super::find_invoker(&paths, sudo.map(str::to_owned))
        };
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(found("1000", None), named("ada"));
        assert_eq!(found("1000\n", Some("bob")), named("ada"), "a variable that a user can set has no priority");
        assert_eq!(found("0", None), named("root"));
        assert_eq!(found("4294967295", Some("bob")), named("bob"), "no one has signed in");
        assert_eq!(found("4294967295", None), None);
        assert_eq!(found("2000", Some("carol@corp")), named("carol@corp"), "a directory knows the name");
        assert_eq!(found("2000", None), named("user 2000"));
        assert_eq!(found("1001", None), named("user 1001"), "what is no name is not shown");
        for odd in ["", "a b", "a\n", "\u{1b}[2J", &"a".repeat(97)] {
            assert_eq!(found("4294967295", Some(odd)), None, "{odd:?}");
        }
    }

    #[test]
    fn missing_files_name_no_invoker() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(super::find_invoker(&SitePaths::below(root.path()), None), None);
    }
}
