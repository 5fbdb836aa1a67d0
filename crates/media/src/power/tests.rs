//! Tests of the disk that forgets unsynced data.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use super::disk::{torn_contents, zeroed_contents};
use super::*;
use crate::durable;

const FATES: [Fate; 6] = [Fate::Lost, Fate::Kept, Fate::Torn, Fate::Zeroed, Fate::Mixed(1), Fate::Mixed(2)];

fn after(change: impl FnOnce(&Path)) -> Vec<PowerCutState> {
    let root = tempfile::tempdir().unwrap();
    durable::write_file(&root.path().join("file"), b"before", 0o600).unwrap();
    let recording = Recording::begin(root.path()).unwrap();
    change(root.path());
    recording.end(&FATES)
}

/// Returns the states after the last act: their contents are certain to survive.
fn surely(states: &[PowerCutState]) -> Vec<&PowerCutState> {
    let last = states.iter().map(|left| left.edge).max().unwrap();
    states.iter().filter(|left| left.edge == last).collect()
}

#[test]
fn durable_write_is_atomic() {
    let states = after(|root| durable::write_file(&root.join("file"), b"after it", 0o600).unwrap());
    assert!(states.len() > 3, "{states:?}");
    for left in &states {
        let found = left.file("file").unwrap();
        assert!(found == b"before" || found == b"after it", "{left:?}");
    }
    assert!(states.iter().any(|left| left.file("file") == Some(b"before")));
    assert!(surely(&states).iter().all(|left| left.file("file") == Some(b"after it")));
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("left");
    surely(&states)[0].place(&folder).unwrap();
    assert_eq!(std::fs::read(folder.join("file")).unwrap(), b"after it");
}

#[test]
fn unsynced_changes_may_be_lost() {
    let states = after(|root| {
        let made = durable::create_file(&root.join("new"), 0o600).unwrap();
        (&made).write_all(b"bytes").unwrap();
        durable::sync_file(&made, &root.join("new")).unwrap();
    });
    // The bytes are durable, but the name is not.
    assert!(states.iter().any(|left| left.edge == 2 && left.file("new") == Some(b"bytes")));
    let states = after(|root| {
        durable::write_file(&root.join("new"), b"bytes", 0o600).unwrap();
        durable::remove_file(&root.join("file")).unwrap();
        durable::create_folder(&root.join("folder/below")).unwrap();
    });
    let found = |file: &str, bytes: Option<&[u8]>| states.iter().any(|left| left.file(file) == bytes);
    assert!(found(".new.landfall-temporary", Some(b"by")), "a torn write");
    assert!(found("file", None) && found("file", Some(b"before")) && found("new", None));
    assert!(surely(&states).iter().all(|left| left.file("file").is_none() && left.file("new") == Some(b"bytes")));
    assert!(surely(&states).iter().all(|left| left.tree.contains_key(Path::new("folder/below"))));
}

#[test]
fn links_survive_power_cut() {
    let states = after(|root| {
        durable::set_mode(&root.join("file"), 0o555).unwrap();
        durable::hard_link(&root.join("file"), &root.join("second")).unwrap();
        durable::symlink(Path::new("second"), &root.join("link")).unwrap();
    });
    for left in &states {
        assert!([None, Some(&b"before"[..])].contains(&left.file("second")), "{left:?}");
    }
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("left");
    surely(&states)[0].place(&folder).unwrap();
    let [file, second] = ["file", "second"].map(|name| std::fs::metadata(folder.join(name)).unwrap());
    assert_eq!((file.ino(), file.mode() & 0o777), (second.ino(), 0o555));
    assert_eq!(std::fs::read_link(folder.join("link")).unwrap(), Path::new("second"));
    // A recording that begins there also knows both names as one file.
    let recording = Recording::begin(&folder).unwrap();
    durable::remove_file(&folder.join("file")).unwrap();
    let states = recording.end(&FATES);
    assert!(surely(&states).iter().all(|left| left.file("file").is_none() && left.file("second").is_some()));
}

/// Returns the sets of surviving names, over all states.
fn sets_of_names(states: &[PowerCutState]) -> BTreeSet<Vec<String>> {
    let names = |left: &PowerCutState| left.tree.keys().map(|path| path.display().to_string()).collect();
    states.iter().map(names).collect()
}

#[test]
fn unsynced_names_survive_in_any_subset() {
    let states = after(|root| {
        for name in ["a", "b", "c"] {
            drop(durable::create_file(&root.join(name), 0o600).unwrap());
        }
    });
    let found = sets_of_names(&states);
    assert_eq!(found.len(), 8, "{found:?}");
    assert!(found.contains(&vec!["c".to_owned(), "file".to_owned()]), "the last one alone: {found:?}");
}

#[test]
fn interrupted_removal_leaves_partial_tree() {
    let root = tempfile::tempdir().unwrap();
    for name in ["tree/a", "tree/below/b", "tree/below/c"] {
        durable::create_folder(root.path().join(name).parent().unwrap()).unwrap();
        durable::write_file(&root.path().join(name), b"x", 0o600).unwrap();
    }
    let recording = Recording::begin(root.path()).unwrap();
    durable::remove_tree(&root.path().join("tree")).unwrap();
    let states = recording.end(&FATES);
    let found = sets_of_names(&states);
    let has = |names: &[&str]| found.iter().any(|found| found.iter().map(String::as_str).eq(names.iter().copied()));
    assert!(has(&["tree", "tree/a", "tree/below", "tree/below/c"]), "{found:?}");
    assert!(has(&["tree", "tree/below", "tree/below/b"]), "{found:?}");
    assert!(has(&["tree"]) && has(&[]), "{found:?}");
    assert!(surely(&states).iter().all(|left| left.tree.is_empty()));
}

/// The file has its old or its new name, and its bytes are those that were synced.
#[test]
fn rename_keeps_file_without_syncing_bytes() {
    let states = after(|root| {
        let made = durable::create_file(&root.join("new"), 0o600).unwrap();
        (&made).write_all(b"bytes").unwrap();
        durable::note_written(&root.join("new"));
        durable::sync_folder(root).unwrap();
        durable::rename(&root.join("new"), &root.join("renamed")).unwrap();
    });
    for left in states.iter().filter(|left| left.edge >= 3) {
        assert!(left.file("new").is_some() || left.file("renamed").is_some(), "{left:?}");
    }
    for bytes in [&b""[..], b"bytes"] {
        assert!(states.iter().any(|left| left.file("renamed") == Some(bytes)), "{bytes:?}");
    }
}

#[test]
fn torn_append_keeps_synced_prefix() {
    assert_eq!(*torn_contents(b"known and more", b"known"), *b"known and");
    assert_eq!(*torn_contents(b"new", b""), *b"n");
    assert_eq!(*torn_contents(b"other", b"known"), *b"ot");
    assert_eq!(*zeroed_contents(b"known and more", b"known"), *b"known and\0\0\0\0\0");
}

/// Until the filesystem is synced, any part of another program's files may be lost.
#[test]
fn filesystem_sync_makes_foreign_tree_durable() {
    let states = after(|root| {
        std::fs::create_dir(root.join("tree")).unwrap();
        let made = std::fs::File::options().write(true).create_new(true).open(root.join("tree/rows")).unwrap();
        (&made).write_all(b"rows").unwrap();
        std::os::unix::fs::symlink("rows", root.join("tree/link")).unwrap();
        durable::note_made(&root.join("tree"));
        durable::sync_filesystem(root).unwrap();
        durable::write_file(&root.join("after"), b"", 0o600).unwrap();
    });
    let found = sets_of_names(&states);
    assert!(found.iter().any(|names| names == &["file"]), "{found:?}");
    assert!(found.iter().any(|names| names == &["file", "tree"]), "{found:?}");
    for bytes in [&b""[..], b"ro", b"ro\0\0", b"rows"] {
        assert!(states.iter().any(|left| left.file("tree/rows") == Some(bytes)), "{bytes:?}");
    }
    for left in states.iter().filter(|left| left.file("after").is_some()) {
        assert_eq!(left.file("tree/rows"), Some(&b"rows"[..]), "{left:?}");
        assert!(left.tree.contains_key(Path::new("tree/link")), "{left:?}");
    }
    assert!(surely(&states).iter().all(|left| left.file("after").is_some()));
}
