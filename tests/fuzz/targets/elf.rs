//! Headers of programs that a node or a site receives.
#![no_main]

#[path = "../../../crates/builder/src/executables/elf.rs"]
mod elf;

use std::io::Cursor;

use elf::{Beside, Needs};
use libfuzzer_sys::fuzz_target;
use object::ReadCache;

fuzz_target!(|bytes: &[u8]| {
    let data = ReadCache::new(Cursor::new(bytes));
    let _ = elf::machine(&data);
    for beside in [Beside::Nothing, Beside::Unwinding] {
        let Ok(Needs::Other(needs)) = elf::needs(&data, beside) else { continue };
        assert!(needs.is_ascii() && !needs.contains(char::is_control), "{needs:?} is no plain text");
        assert!(needs.len() <= 100 + 10 * bytes.len(), "{} bytes are said of {}", needs.len(), bytes.len());
    }
});
