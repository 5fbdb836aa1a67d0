//! The programs that build the project.

/// Returns the cargo that started this program, or else the one in `PATH`.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
