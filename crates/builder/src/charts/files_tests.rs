use std::io::Write as _;

use landfall_error_codes::CodedError as _;

use super::*;

const SMALL: Limits = Limits { members: 20, file_bytes: 1000, unpacked_bytes: 5000, depth: 2 };

/// A gzipped tar with these members, whose names are written unchanged.
pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let kinds: Vec<_> = members.iter().map(|(name, bytes)| (*name, tar::EntryType::Regular, *bytes)).collect();
    archive_of(&kinds)
}

fn archive_of(members: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, kind, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_link_name("/etc/passwd").expect("link");
        }
        header.set_cksum();
        tar.append(&header, *bytes).expect("member");
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("archive")
}

fn refusal(archive: &[u8]) -> String {
    let error = ChartFiles::of_archive("shop.tgz", archive, SMALL).expect_err("refused");
    let cause = std::error::Error::source(&error).map(|_| " (with its cause)").unwrap_or_default();
    format!("{} {error}{cause}", error.code().id)
}

#[test]
fn archived_subcharts_are_unpacked() {
    let inner = archive(&[("b/Chart.yaml", b"name: b"), ("b/templates/x.yaml", b"x")]);
    let outer = archive(&[("a/Chart.yaml", b"name: a"), ("a/charts/b-1.2.3.tgz", &inner), ("a/files/y.tgz", b"as is")]);
    let files = ChartFiles::of_archive("a.tgz", &outer, SMALL).expect("good");
    let paths: Vec<_> = files.0.keys().map(String::as_str).collect();
    let expected = ["Chart.yaml", "charts/b-1.2.3/Chart.yaml", "charts/b-1.2.3/templates/x.yaml", "files/y.tgz"];
    assert_eq!(paths, expected);
    assert_eq!(files.charts(), ["", "charts/b-1.2.3/"]);
}

#[test]
fn hostile_archives_are_refused() {
    let chart = ("a/Chart.yaml", tar::EntryType::Regular, b"name: a".as_slice());
    let with = |name: &str, kind, bytes: &[u8]| refusal(&archive_of(&[chart, (name, kind, bytes)]));
    let file = tar::EntryType::Regular;
    let mut truncated = archive(&[("a/Chart.yaml", &[7; 900])]);
    truncated.truncate(truncated.len() / 2);
    let zeros = vec![0; 900];
    let many: Vec<_> = (0..30).map(|number| (format!("a/{number}"), vec![1])).collect();
    let many: Vec<_> = many.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let big: Vec<_> = (0..8).map(|number| (format!("a/{number}"), zeros.clone())).collect();
    let big: Vec<_> = big.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let mut nested = archive(&[("a/Chart.yaml", b"")]);
    for _ in 0..4 {
        nested = archive(&[("a/Chart.yaml", b""), ("a/charts/a.tgz", &nested)]);
    }
    let refusals = [
        with("../etc/cron.d/x", file, b"x"),
        with("a/../../x", file, b"x"),
        with("/etc/x", file, b"x"),
        with("a\\..\\x", file, b"x"),
        with("C:/x", file, b"x"),
        with("a/x", tar::EntryType::Symlink, b""),
        with("a/x", tar::EntryType::Link, b""),
        with("a/x", tar::EntryType::Char, b""),
        with("a/Chart.yaml", file, b"again"),
        with("b/x", file, b"x"),
        with("a/x", file, &[0; 2000]),
        refusal(&archive(&many)),
        refusal(&archive(&big)),
        refusal(&nested),
        refusal(&truncated),
        refusal(b"PK\x03\x04"),
        refusal(&archive(&[("a/x", b"")])),
        refusal(&archive(&[])),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn bombs_stop_at_limit() {
    // A header that declares a small size, followed by gigabytes of zeros, which gzip compresses well.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).expect("zeros");
    }
    let bomb = encoder.finish().expect("bomb");
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    ChartFiles::of_archive("bomb.tgz", &bomb, SMALL).expect_err("no chart");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_path("a/Chart.yaml").expect("path");
    header.set_size(64 << 20);
    header.set_cksum();
    tar.append(&header, std::io::repeat(0).take(64 << 20)).expect("member");
    let bomb = tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("bomb");
    assert_eq!(refusal(&bomb), "LF2086 shop.tgz: `a/Chart.yaml` has more than 1000 bytes");
}

#[test]
fn folder_links_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let files =
        ChartFiles([("Chart.yaml".to_owned(), b"a".to_vec()), ("templates/a.yaml".to_owned(), b"b".to_vec())].into());
    files.write(folder.path()).expect("written");
    fs_err::create_dir(folder.path().join(".git")).expect("folder");
    assert_eq!(ChartFiles::of_folder(folder.path(), SMALL).expect("good"), files);
    landfall_media::durable::symlink(Path::new("/etc/passwd"), &folder.path().join("templates/b.yaml")).expect("link");
    let error = ChartFiles::of_folder(folder.path(), SMALL).expect_err("refused");
    assert!(error.to_string().ends_with("`templates/b.yaml` is a link or a special file: copy the intended file"));
    let error = ChartFiles::of_folder(&folder.path().join("none"), SMALL).expect_err("refused");
    assert_eq!(error.code(), codes::CHART_UNREADABLE);
}
