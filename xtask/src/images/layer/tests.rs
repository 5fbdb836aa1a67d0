use super::*;

fn text(text: &str) -> Kind {
    Kind::Text(text.as_bytes().to_vec())
}

fn names(tree: &FileTree) -> Vec<&str> {
    tree.iter().map(|(path, _)| path).collect()
}

#[test]
fn equal_trees_have_equal_layers() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (FileTree::default(), FileTree::default());
    one.add("usr/bin/b", 0o755, text("b"));
    one.add_link("a", "usr/bin/b");
    two.add_link("a", "usr/bin/b");
    two.add("usr/bin/b", 0o755, text("b"));
    let left = write_layer(&one, &folder.path().join("one")).unwrap();
    let right = write_layer(&two, &folder.path().join("two")).unwrap();
    assert_eq!((&left.digest, &left.diff_id), (&right.digest, &right.diff_id));
    let bytes = std::fs::read(&left.path).unwrap();
    assert_eq!(bytes.len() as u64, left.size);
    assert_eq!(&bytes[4..8], [0; 4], "the gzip header has a time");
}

#[test]
fn changed_metadata_changes_digest() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |owner, mode, content: &str| {
        let mut tree = FileTree::default();
        tree.add_owned("file", mode, owner, text(content));
        write_layer(&tree, &folder.path().join("layer")).unwrap().digest
    };
    let first = digest((0, 0), 0o644, "a");
    for other in [digest((1, 0), 0o644, "a"), digest((0, 0), 0o600, "a"), digest((0, 0), 0o644, "b")] {
        assert_ne!(first, other);
    }
}

#[test]
fn layer_preserves_hard_links() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    put(&source, b"shared").unwrap();
    let mut tree = FileTree::default();
    tree.add_file("z", 0o755, &source).unwrap();
    tree.add_file("m", 0o755, &source).unwrap();
    let long = format!("{}/file", "folder".repeat(30));
    tree.add(&long, 0o600, text("deep"));
    let layer = write_layer(&tree, &folder.path().join("layer")).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(File::open(layer.path).unwrap()).read_to_end(&mut plain).unwrap();
    assert_eq!(layer.diff_id, format!("sha256:{}", hex::encode(Sha256::digest(&plain))));
    let path = folder.path().join("plain");
    put(&path, &plain).unwrap();
    let read = FileTree::read_tar(&path).unwrap();
    assert_eq!(names(&read), names(&tree));
    assert_eq!(read.get("z").unwrap().kind, read.get("m").unwrap().kind);
    assert_eq!(read.read("z").unwrap(), b"shared");
    assert_eq!(read.read(&long).unwrap(), b"deep");
}

#[test]
fn difference_holds_changes_and_whiteouts() {
    let (mut base, mut whole) = (FileTree::default(), FileTree::default());
    for tree in [&mut base, &mut whole] {
        tree.add("same", 0o644, text("same"));
        tree.add("etc/changed", 0o644, text("before"));
    }
    base.add("gone/a", 0o644, text(""));
    base.add("gone/b", 0o644, text(""));
    base.add("gone-too", 0o644, text(""));
    base.add("etc/removed", 0o644, text(""));
    whole.add("etc/changed", 0o644, text("after!"));
    whole.add("etc/new", 0o644, text(""));
    let difference = whole.above(&base).unwrap();
    assert_eq!(names(&difference), [".wh.gone", ".wh.gone-too", "etc", "etc/.wh.removed", "etc/changed", "etc/new"]);
}

#[test]
fn earlier_record_keeps_compression() {
    let record = |field: &str| format!(r#"{{"digest": "sha256:a", "diff_id": "sha256:b", "size": 1{field}}}"#);
    let compression =
        |field: &str| serde_json::from_str::<Layer>(&record(field)).map(|layer| layer.compression).unwrap();
    assert_eq!(compression(r#", "packing": "zstd""#), LayerCompression::Zstd);
    assert_eq!(compression(r#", "compression": "zstd""#), LayerCompression::Zstd);
    assert_eq!(compression(""), LayerCompression::Gzip);
}
