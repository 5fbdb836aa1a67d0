//! Linker options of the program.

/// Packs the relative relocations of the static program: the loader reads 80 KB of them instead of 10 MB at each start.
/// lld in Debian 12 supports only this form of the option. Zig, the linker for Arm, lacks it. A release also has the
/// code of its start in one place.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LANDFALL_COMMIT");
    if std::env::var("TARGET").as_deref() == Ok("x86_64-unknown-linux-musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,--pack-dyn-relocs=relr");
        // Bundles also carry the program of a test build, of which a third would be names of functions.
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
        // Linking takes ten seconds longer, which only the program that ships is worth.
        if std::env::var("PROFILE").as_deref() == Ok("release") {
            let order = format!("{}/start.ld", env!("CARGO_MANIFEST_DIR"));
            println!("cargo::rerun-if-changed={order}");
            println!("cargo::rustc-link-arg-bins=-Wl,-T,{order}");
        }
    }
}
