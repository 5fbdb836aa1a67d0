//! Images of the starter release, assembled from Debian packages on one shared base.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::debian::{Account, Root, ensure_base};
use super::layer::{FileTree, Kind, Layer, ensure_layer, ensure_zstd};
use super::oci::{PublishedContent, Settings, image};
use super::{Recipe, Workshop, chosen, postgres};
use landfall_test_support::runnable::write_program;

/// Valkey.
pub const VALKEY: Root = Root {
    name: "valkey",
    packages: &["valkey-server", "valkey-tools"],
    accounts: &[Account { name: "valkey", id: 999, home: "/var/lib/valkey" }],
    removed: &[],
    chosen: chosen::none,
};

/// Python with pip and venv.
pub const PYTHON: Root = Root {
    name: "python",
    packages: &["python3", "python3-pip", "python3-venv"],
    accounts: &[Account { name: "python", id: 65532, home: "/home/python" }],
    // The file that keeps pip from installing next to Debian's packages. In this image, pip is intended.
    removed: &["usr/lib/python3.13/EXTERNALLY-MANAGED"],
    chosen: chosen::none,
};

/// Busybox, of which only the program itself becomes part of the image.
pub const BUSYBOX: Root =
    Root { name: "busybox", packages: &["busybox-static"], accounts: &[], removed: &[], chosen: chosen::none };

/// Recipes of the starter release's images.
pub const IMAGES: &[(&str, Recipe)] =
    &[("busybox", busybox), ("postgres", postgres::earlier), ("python", python), ("valkey", valkey)];

/// Builds the images of the starter release.
pub fn ensure(workshop: &Workshop) -> Result<Vec<PublishedContent>> {
    IMAGES.iter().map(|(_, make)| make(workshop)).collect()
}

/// Returns a layer of Landfall's own files on top of a Debian root filesystem. `version` must change with the files
/// that `fill` writes.
pub(super) fn own_layer(
    workshop: &Workshop,
    name: &str,
    version: impl AsRef<[u8]>,
    fill: impl FnOnce(&mut FileTree) -> Result<()>,
) -> Result<Layer> {
    let key = workshop.key().with("own", name).with("version", version);
    ensure_layer(workshop, name, &key, || {
        let mut tree = FileTree::default();
        fill(&mut tree)?;
        Ok(tree)
    })
}

/// Builds the image of Valkey, which stores its data in `/data`.
pub fn valkey(workshop: &Workshop) -> Result<PublishedContent> {
    const SCRIPT: &str = "starter/valkey-entrypoint.sh";
    let script = std::fs::read(workshop.recipe(SCRIPT)).with_context(|| format!("cannot read {SCRIPT}"))?;
    let own = own_layer(workshop, "valkey-entrypoint", [b"1 ", script.as_slice()].concat(), |tree| {
        tree.add("usr/local/bin/valkey-entrypoint", 0o755, Kind::Text(script.clone()));
        tree.add_owned("data", 0o700, (999, 999), Kind::Folder);
        Ok(())
    })?;
    let layers = [ensure_base(workshop)?, VALKEY.ensure_difference(workshop)?, own];
    let settings = Settings {
        user: "999:999",
        entrypoint: &["/usr/local/bin/valkey-entrypoint"],
        command: &["valkey-server"],
        folder: "/data",
        ..Settings::default()
    };
    let version = VALKEY.version(workshop, "valkey-server")?;
    Ok(image("valkey", format!("docker.io/valkey/valkey:{version}"), &layers, &settings))
}

/// Builds the image of Python with pip, for pods that provide only code.
pub fn python(workshop: &Workshop) -> Result<PublishedContent> {
    let own = own_layer(workshop, "python-names", "1", |tree| {
        tree.add_link("usr/local/bin/python", "/usr/bin/python3");
        tree.add_owned("home/python", 0o700, (65532, 65532), Kind::Folder);
        Ok(())
    })?;
    let layers = [ensure_base(workshop)?, PYTHON.ensure_difference(workshop)?, own];
    let settings = Settings {
        user: "65532:65532",
        command: &["python3"],
        environment: &["LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"],
        ..Settings::default()
    };
    let version = PYTHON.version(workshop, "python3.13")?;
    Ok(image("python", format!("docker.io/library/python:{version}"), &layers, &settings))
}

/// Builds the image of Busybox: only one static program and its names. Its layer is compressed with Zstandard, so that
/// the containerd of each site unpacks one.
pub fn busybox(workshop: &Workshop) -> Result<PublishedContent> {
    let layer = own_layer(workshop, "busybox", BUSYBOX.key(workshop)?.with("links", "1").digest(), |tree| {
        let program = BUSYBOX.ensure_tree(workshop)?.read("usr/bin/busybox")?;
        for name in applets(&program)? {
            tree.add_link(&format!("bin/{name}"), "busybox");
        }
        tree.add("bin/busybox", 0o755, Kind::Text(program));
        tree.add("etc/group", 0o644, Kind::Text(b"root:x:0:\nnobody:x:65534:\n".to_vec()));
        let accounts = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
        tree.add("etc/passwd", 0o644, Kind::Text(accounts.to_vec()));
        tree.add("root", 0o700, Kind::Folder);
        tree.add("tmp", 0o1777, Kind::Folder);
        tree.add("var/tmp", 0o1777, Kind::Folder);
        Ok(())
    })?;
    let layer = ensure_zstd(workshop, "busybox", &layer)?;
    let settings = Settings { command: &["sh"], ..Settings::default() };
    let version = BUSYBOX.version(workshop, "busybox-static")?;
    Ok(image("busybox", format!("docker.io/library/busybox:{version}"), &[layer], &settings))
}

/// Returns the commands of a Busybox by its own list. The program is static, so it runs here.
fn applets(program: &[u8]) -> Result<Vec<String>> {
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    let path = folder.path().join("busybox");
    write_program(&path, program);
    let output = Command::new(&path).arg("--list").output().context("cannot run busybox")?;
    let names: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().filter(|name| *name != "busybox").map(str::to_owned).collect();
    ensure!(output.status.success() && names.iter().any(|name| name == "sh"), "busybox lists no shell");
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn applets_list_under_concurrent_spawns() {
        let ended = AtomicBool::new(false);
        // Large enough for the write to take a while.
        let program = format!("#!/bin/sh\n#{}\necho busybox; echo ls; echo sh\n", " ".repeat(1 << 16));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        Command::new("true").status().unwrap();
                    }
                });
            }
            let listed: Result<Vec<_>> = (0..100).map(|_| applets(program.as_bytes())).collect();
            ended.store(true, Ordering::Relaxed);
            assert!(listed.unwrap().iter().all(|names| *names == ["ls", "sh"]));
        });
    }
}
