#![expect(clippy::disallowed_methods, reason = "files of a test")]

use std::collections::BTreeSet;
use std::io::Write;

use super::*;

fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn write_replaces_file_atomically() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    write_file(&path, b"one", 0o600).unwrap();
    write_file(&path, b"two", 0o777).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(mode(&path), 0o777);
    assert_eq!(names(folder.path()), BTreeSet::from(["secret".to_owned()]));
}

#[test]
fn concurrent_writes_share_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| write_file(&path, b"same", 0o644).unwrap()));
        }
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"same");
    assert_eq!(names(folder.path()).len(), 1);
}

/// Simulates another writer in the middle of writing the file: a second open file has its own lock, as in another
/// process.
fn writer_of(path: &Path) -> File {
    let file = create_file(&temporary_sibling(path), 0o644).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    file
}

#[test]
fn writer_waits_for_other_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let mut other = writer_of(&path);
    std::thread::scope(|scope| {
        let own = scope.spawn(|| write_file(&path, b"second", 0o644));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!own.is_finished());
        other.write_all(b"first").unwrap();
        std::fs::rename(temporary_sibling(&path), &path).unwrap();
        drop(other);
        own.join().unwrap().unwrap();
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(names(folder.path()).len(), 1);
}

/// Without the turns of threads, writers have only the lock of the temporary file between them, as processes do.
#[test]
fn concurrent_processes_never_rename_half_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let write = &|writer: u32| {
        for number in 0..200 {
            let to = folder.path().join(format!("{writer}-{number}"));
            Sibling::write(&path, b"whole", 0o600).unwrap().rename(&to, rename_unsynced).unwrap();
            assert_eq!(std::fs::read(&to).unwrap(), b"whole", "writer {writer}, write {number}");
        }
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3).map(|writer| scope.spawn(move || write(writer))).collect();
        assert!(writers.into_iter().all(|writer| writer.join().is_ok()), "a writer failed");
    });
}

#[test]
fn new_file_has_one_winner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let results: Vec<_> = std::thread::scope(|scope| {
        let write = |number: u8| {
            scope.spawn({
                let path = &path;
                move || write_new_file(path, &[number], 0o600)
            })
        };
        (0..8).map(write).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 7);
    assert!(refused.iter().all(|error| error.kind() == io::ErrorKind::AlreadyExists), "{refused:?}");
    assert_eq!(names(folder.path()).len(), 1);
}

#[test]
fn unfinished_hard_link_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (path, blob) = (folder.path().join("name"), folder.path().join("blob"));
    let file = create_file(&blob, 0o644).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    std::fs::hard_link(&blob, temporary_sibling(&path)).unwrap();
    write_file(&path, b"own", 0o644).unwrap();
    assert_eq!(std::fs::read(&blob).unwrap(), b"");
}

#[test]
fn crash_leftovers_are_replaced_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/file");
    create_folder(path.parent().unwrap()).unwrap();
    let leftover = temporary_sibling(&path);
    File::create(&leftover).unwrap().write_all(b"half").unwrap();
    assert!(is_temporary(&leftover));
    write_file(&path, b"whole", 0o644).unwrap();
    assert!(!leftover.exists());
    File::create(&leftover).unwrap();
    assert_eq!(remove_leftovers(folder.path()).unwrap(), 1);
    assert_eq!(names(path.parent().unwrap()), BTreeSet::from(["file".to_owned()]));
    assert_eq!(remove_leftovers(&folder.path().join("absent")).unwrap(), 0);
}

#[test]
fn failed_write_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    std::fs::create_dir(&path).unwrap();
    let error = write_file(&path, b"x", 0o644).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot rename to {}", path.display()));
    assert_eq!(error.code(), codes::MEDIA_IO);
    assert!(!error.is_fatal());
    assert_eq!(names(folder.path()), BTreeSet::from(["taken".to_owned()]));

    let full = DurableError::io("write", &path, io::Error::from_raw_os_error(28));
    assert_eq!(full.code(), codes::NO_SPACE);
    let large = DurableError::io("write", &path, io::Error::from_raw_os_error(27));
    assert_eq!(large.code(), codes::FILE_TOO_LARGE);
}

#[test]
fn folder_creation_sets_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/c");
    create_folder_with_mode(&path, 0o700).unwrap();
    create_folder_with_mode(&path, 0o755).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&folder.path().join("a")), 0o755);
    write_file(&folder.path().join("file"), b"", 0o644).unwrap();
    assert_eq!(create_folder(&folder.path().join("file")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(remove_folder(&folder.path().join("a")).unwrap_err().kind(), io::ErrorKind::DirectoryNotEmpty);
    remove_folder(&path).unwrap();
    remove_tree(&folder.path().join("a")).unwrap();
    remove_tree(&folder.path().join("a")).unwrap();
    remove_folder(&path).unwrap();
    assert!(!folder.path().join("a").exists());
}

#[test]
fn linking_is_idempotent() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    write_file(&file, b"content", 0o644).unwrap();
    for _ in 0..2 {
        hard_link(&file, &link).unwrap();
        assert!(is_same_file(&file, &link));
    }
    for target in ["file", "elsewhere"] {
        symlink(Path::new(target), &link).unwrap();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(target));
    }
    hard_link(&file, &link).unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    set_mode(&file, 0o600).unwrap();
    assert_eq!(mode(&link), 0o600);
    remove_file(&link).unwrap();
    remove_file(&link).unwrap();
    sync_filesystem(folder.path()).unwrap();
    assert_eq!(names(folder.path()), BTreeSet::from(["file".to_owned()]));
}

#[test]
fn own_folder_is_removed_when_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    create_own_folder(&path("deep/own")).unwrap();
    assert_eq!((mode(&path("deep/own")), names(&path("deep")).len()), (0o755, 1));
    write_file(&path("deep/own/file"), b"", 0o644).unwrap();
    remove_own_folder(&path("deep/own")).unwrap();
    assert!(path("deep/own/file").exists());
    remove_file(&path("deep/own/file")).unwrap();
    // An existing marked folder is still Landfall's.
    create_own_folder(&path("deep/own")).unwrap();
    remove_own_folder(&path("deep/own")).unwrap();
    assert_eq!(names(&path("deep")).len(), 0);
    remove_own_folder(&path("deep/own")).unwrap();

    std::fs::create_dir(path("theirs")).unwrap();
    create_own_folder(&path("theirs")).unwrap();
    remove_own_folder(&path("theirs")).unwrap();
    assert!(path("theirs").is_dir());
}

#[test]
fn interrupted_folder_creation_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own");
    std::fs::create_dir(temporary_sibling(&path)).unwrap();
    remove_own_folder(&path).unwrap();
    assert_eq!(names(folder.path()).len(), 0);
    std::fs::create_dir(temporary_sibling(&path)).unwrap();
    create_own_folder(&path).unwrap();
    assert_eq!(names(folder.path()), BTreeSet::from(["own".to_owned()]));
    remove_own_folder(&path).unwrap();
    assert_eq!(names(folder.path()).len(), 0);
}

#[test]
fn mounted_folder_is_not_removed() {
    let test = "durable::tests::mounted_folder_is_not_removed";
    let Some(root) = crate::mounted::on_tmpfs(test, "size=4m") else { return };
    let path = root.join("own");
    create_own_folder(&path).unwrap();
    // Bind-mounted onto itself, it shows the mark of the underlying folder.
    rustix::mount::mount_bind(&path, &path).unwrap();
    remove_own_folder(&path).unwrap();
    assert!(path.is_dir());
    rustix::mount::unmount(&path, rustix::mount::UnmountFlags::empty()).unwrap();
    remove_own_folder(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn missing_inodes_differ_from_full_disk() {
    let test = "durable::tests::missing_inodes_differ_from_full_disk";
    let Some(root) = crate::mounted::on_tmpfs(test, "size=4m,nr_inodes=6") else { return };
    let mut made = (0..8).map(|number| write_file(&root.join(number.to_string()), b"x", 0o644));
    let error = made.find_map(Result::err).expect("no inodes are left");
    assert_eq!(error.code(), codes::NO_SPACE, "{error}");
    let source = std::error::Error::source(&error).expect("source").to_string();
    assert_eq!(source, "the filesystem has no inodes left for further files");
    assert!(error.hint().expect("hint").contains("Space would not help"), "{error:?}");
    for name in ["0", "1", "2"] {
        remove_file(&root.join(name)).unwrap();
    }
    let error = write_file(&root.join("large"), &vec![7; 8 << 20], 0o644).expect_err("full");
    assert_eq!((error.code(), error.hint()), (codes::NO_SPACE, None), "{error}");
}
