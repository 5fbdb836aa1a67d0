use proptest::prelude::*;

use super::*;

/// A database that RPM 4.18 wrote. Its index tables were removed, and its pages are small, so trees have several
/// levels, and headers overflow.
const DATABASE: &[u8] = include_bytes!("../../../testdata/rpmdb.sqlite");

#[test]
fn real_database_lists_packages() {
    let packages = read(DATABASE).expect("readable");
    let shown: Vec<_> = packages.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
    let expected = [
        ("bash", "5.2.26-4.fc40"),
        ("filler-1", "1.1-1"),
        ("filler-10", "1.10-1"),
        ("filler-6", "1.6-1"),
        ("filler-7", "1.7-1"),
        ("filler-8", "1.8-1"),
        ("filler-9", "1.9-1"),
        ("openssl-libs", "1:3.0.7-27.el9"),
        ("tzdata", "2025b-1.el9"),
    ];
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let bash = packages.iter().find(|package| package.name == "bash").expect("bash");
    assert_eq!((bash.architecture.as_deref(), bash.license.as_deref()), (Some("noarch"), Some("GPL-3.0-or-later")));
}

#[test]
fn invalid_databases_are_refused() {
    let changed = |at: usize, bytes: &[u8]| {
        let mut database = DATABASE.to_vec();
        database[at..at + bytes.len()].copy_from_slice(bytes);
        read(&database)
    };
    for (what, result, reason) in [
        ("nothing", read(b""), "it is not a database of SQLite"),
        ("the beginning", read(b"SQLite format 3\0"), "it is not a database of SQLite"),
        ("half", read(&DATABASE[..DATABASE.len() / 2]), "a page is missing"),
        ("odd pages", changed(16, &[3, 0]), "its pages have 768 bytes, of which 768 are used"),
        ("UTF-16", changed(59, &[2]), "its texts are not UTF-8"),
        ("no tree", changed(100, &[10]), "its pages contradict one another"),
    ] {
        assert_eq!(result.err().as_deref(), Some(reason), "{what}");
    }
    // The table's root page becomes its own child.
    let page = 512;
    let root = (page..DATABASE.len()).step_by(page).find(|at| DATABASE[*at] == 5).expect("an interior page");
    let own = u32::try_from(root / page + 1).expect("small").to_be_bytes();
    assert_eq!(changed(root + 8, &own).err().as_deref(), Some("its pages contradict one another"));
}

#[test]
fn corrupt_bytes_never_panic() {
    let begun = std::time::Instant::now();
    for at in (0..DATABASE.len()).step_by(5) {
        for byte in [0, 0xff] {
            let mut database = DATABASE.to_vec();
            database[at] = byte;
            if let Ok(packages) = read(&database) {
                assert!(packages.iter().all(|package| package.check().is_ok()), "byte {at}");
            }
        }
    }
    assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{:?}", begun.elapsed());
}

proptest! {
    #[test]
    fn arbitrary_pages_never_yield_packages(tail in prop::collection::vec(any::<u8>(), 0..2048)) {
        let mut bytes = DATABASE[..100].to_vec();
        bytes.extend(tail);
        if let Ok(packages) = read(&bytes) {
            prop_assert!(packages.is_empty());
        }
    }
}
