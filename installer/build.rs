//! How the program is linked.

/// Packs the relative relocations of the static program: the loader reads 80 KB of them instead of 10 MB at each start.
/// Debian 12's lld knows only this spelling. Zig, which links for Arm, has none.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LANDFALL_COMMIT");
    if std::env::var("TARGET").as_deref() == Ok("x86_64-unknown-linux-musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,--pack-dyn-relocs=relr");
        // Bundles carry the program of a test build, too: a third of it is names of functions.
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
}
