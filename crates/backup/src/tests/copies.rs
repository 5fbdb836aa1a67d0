//! Tests of copies of backups in another repository.

use landfall_progress::SilentProgress;

use super::*;
use crate::Proof;

/// Returns an empty repository of the same site and key.
fn empty_copy(kept: &TestRepository) -> Repository {
    Repository::create(&kept.folder.path().join("copies"), SITE, &kept.key).unwrap()
}

#[test]
fn copies_add_only_new_data() {
    let kept = empty();
    let other = empty_copy(&kept);
    let rows = random(3, 20 * MIB);
    let first = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", &rows)]).unwrap();
    let proof = Proof { time: time("2026-11-20T13:00:00Z"), report: "12 tables".to_owned() };
    let first = kept.repository.mark_proven(first.id, proof).unwrap();
    kept.repository.copy_to(first.id, &other).unwrap();
    assert_eq!(other.backups().unwrap(), std::slice::from_ref(&first));
    assert!(read(&other, first.id, "database").unwrap() == rows);

    let bytes = stored_bytes(other.folder());
    kept.repository.copy_to(first.id, &other).unwrap();
    assert_eq!((other.backups().unwrap().len(), stored_bytes(other.folder())), (1, bytes), "it was already copied");

    let second = save(&kept.repository, "2026-11-21T12:00:00Z", &[("database", &rows), ("more", b"rows")]).unwrap();
    kept.repository.copy_to(second.id, &other).unwrap();
    assert!(stored_bytes(other.folder()) < bytes + MIB as u64, "existing data is not copied again");
    assert_eq!(other.backups().unwrap(), [first, second.clone()]);
    assert_eq!(read(&other, second.id, "more").unwrap(), b"rows");
    assert_eq!(other.check(&SilentProgress).unwrap(), []);
    assert_eq!(kept.repository.check(&SilentProgress).unwrap(), []);
}

#[test]
fn unreadable_backup_is_not_copied() {
    let kept = empty();
    let mut other = empty_copy(&kept);
    let first = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", &random(3, MIB))]).unwrap();
    kept.repository.copy_to(first.id, &other).unwrap();
    let second = save(&kept.repository, "2026-11-21T12:00:00Z", &[("database", &random(4, MIB))]).unwrap();
    let root = kept.repository.folder();
    let of = |folder: &str| files(root).into_iter().filter(|file| file.starts_with(folder)).collect::<Vec<_>>();
    let damages: [&dyn Fn(&Path); 2] = [&|path| std::fs::remove_file(path).unwrap(), &|path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        put(path, &bytes);
    }];
    let (mut copied_whole, mut refused) = (0, 0);
    for damage in damages {
        for file in of("data").iter().chain(&of("index")) {
            let path = root.join(file);
            let whole = std::fs::read(&path).unwrap();
            damage(&path);
            // Files that only the first backup needs are not read.
            let copied = kept.repository.copy_to(second.id, &other);
            let is_there = other.backups().unwrap().contains(&second);
            assert_eq!(copied.is_ok(), is_there, "{}", file.display());
            if is_there {
                copied_whole += 1;
                assert!(read(&other, second.id, "database").unwrap() == random(4, MIB), "{}", file.display());
                std::fs::remove_dir_all(other.folder()).unwrap();
                other = empty_copy(&kept);
            }
            refused += usize::from(!is_there);
            put(&path, &whole);
        }
    }
    // Each has its own pack and index; those of trees may be shared.
    assert!(refused >= 4 && copied_whole >= 2, "{refused} refused, {copied_whole} copied");
    kept.repository.copy_to(second.id, &other).unwrap();
    assert!(read(&other, second.id, "database").unwrap() == random(4, MIB));
    assert_eq!(other.check(&SilentProgress).unwrap(), []);
}
