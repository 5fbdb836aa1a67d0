//! The linker script with the used functions.

use std::collections::{BTreeMap, BTreeSet};

use super::functions::UsedFunctions;
use super::link_map::Function;

/// Comment of the script, and its begin.
const HEAD: &str = "\
/* Order of the code that every command runs before its own, and of what `inspect` adds to it. Written by
 * `cargo xtask start-order`.
 *
 * The kernel maps 64 KiB around each page of code that a program touches. Start-up runs two thousand functions of a
 * hundred thousand, which the linker spreads over the whole program. Here they stand together. A function that is
 * missing here, or that no longer exists, costs only its window; `figures` has the limit.
 *
 * First come crates of which much runs, then functions of the others, as found by stepping through
 * `landfall --version` and `landfall inspect`. The hashes of names are left out, because each update of a dependency
 * changes them. */

SECTIONS {
  .text.start : {
";

/// End of the script.
const TAIL: &str = "  }\n} INSERT BEFORE .text;\n";

/// All code of an object.
const WHOLE: &str = ".text .text.*";

/// A crate is placed as a whole if at least this part of its code runs: a third.
const WHOLE_DIVISOR: u64 = 3;

/// A crate with less code, in bytes, is always placed as a whole.
const SMALL_BYTES: u64 = 12_000;

/// Longest pattern for a name, in bytes. Longer names end with a star.
const PATTERN_BYTES: usize = 100;

/// Patterns of the program's own crate for groups of functions, each in place of a hundred lines.
const GROUPS: [(&str, &str); 2] =
    [("landfall..cli..", ".text._ZN*landfall..cli..*"), ("clap_builder", ".text._ZN*clap_builder*")];

/// Origin of a function's code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// Crate that is compiled for the program alone.
    Crate(String),
    /// Archive, as it is compiled for every program.
    Archive(String),
}

impl Origin {
    /// Finds the origin in the name of an object; `None` for code of the compiler.
    fn of_object(object: &str) -> Option<Self> {
        if let Some((archive, _)) = object.split_once('(') {
            let name = archive.rsplit_once('.').map_or(archive, |(name, _)| name);
            // The hash of an archive of a crate changes with the compiler.
            let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
            return (name != "libcompiler_builtins").then(|| Self::Archive(name.to_owned()));
        }
        let (_, rest) = object.strip_prefix("landfall-")?.split_once('.')?;
        let end = rest.find(['-', '.'])?;
        Some(Self::Crate(rest[..end].to_owned()))
    }

    /// Pattern of the script for its objects.
    fn objects(&self) -> String {
        match self {
            Self::Crate(name) if name == "landfall" => "*.landfall.*".to_owned(),
            Self::Crate(name) => format!("*.{name}-*"),
            Self::Archive(name) => format!("*{name}*"),
        }
    }
}

/// Returns the linker script.
pub fn script(functions: &UsedFunctions<'_>) -> String {
    let bytes = |all: &mut dyn Iterator<Item = &Function>| -> BTreeMap<Origin, u64> {
        let mut sums = BTreeMap::new();
        for function in all {
            if let Some(origin) = Origin::of_object(&function.object) {
                *sums.entry(origin).or_default() += function.addresses.end - function.addresses.start;
            }
        }
        sums
    };
    let all = bytes(&mut functions.all().iter());
    let used = bytes(&mut functions.used());
    // The allocator and the C library are small, and most of what runs first is theirs.
    let is_whole = |origin: &Origin| match origin {
        Origin::Archive(name) => name == "libc" || name == "liblibmimalloc_sys",
        Origin::Crate(_) => used[origin] * WHOLE_DIVISOR >= all[origin] || all[origin] < SMALL_BYTES,
    };
    let (whole, parts): (Vec<_>, Vec<_>) = used.keys().partition(|origin| is_whole(origin));
    let mut patterns: BTreeMap<&Origin, BTreeSet<String>> =
        parts.into_iter().map(|one| (one, BTreeSet::new())).collect();
    for function in functions.used() {
        let origin = Origin::of_object(&function.object);
        if let Some(patterns) = origin.and_then(|origin| patterns.get_mut(&origin)) {
            patterns.insert(pattern(&function.section));
        }
    }
    let mut text = HEAD.to_owned();
    text.extend(whole.iter().map(|origin| format!("    {}({WHOLE})\n", origin.objects())));
    for (origin, patterns) in patterns {
        text.extend(["    ", &origin.objects(), "(\n"]);
        for pattern in &patterns {
            text.extend(["      ", pattern, "\n"]);
        }
        text.push_str("    )\n");
    }
    text + TAIL
}

/// Returns a pattern for a section, without hashes.
fn pattern(section: &str) -> String {
    if let Some((_, group)) = GROUPS.iter().find(|(part, _)| section.contains(part)) {
        return (*group).to_owned();
    }
    let hash = section.rfind("17h").filter(|start| section[start + 3..].len() >= 17);
    let name = hash.map_or(section, |start| &section[..start + 3]);
    let name = name.split_once(".llvm.").map_or(name, |(name, _)| name);
    if name.len() == section.len() && name.len() <= PATTERN_BYTES {
        return name.to_owned();
    }
    format!("{}*", &name[..name.len().min(PATTERN_BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start_order::LinkMap;

    #[test]
    fn hashes_and_long_names_are_cut() {
        let hash = "17h0123456789abcdefE";
        assert_eq!(pattern(&format!(".text._ZN6blake36Output{hash}")), ".text._ZN6blake36Output17h*");
        assert_eq!(pattern(&format!(".text._ZN6blake3{hash}.llvm.77")), ".text._ZN6blake317h*");
        assert_eq!(pattern(".text.memcpy"), ".text.memcpy");
        assert_eq!(pattern(&format!(".text._ZN12clap_builder{hash}")), ".text._ZN*clap_builder*");
        assert_eq!(pattern(&format!(".text.{}{hash}", "x".repeat(200))).len(), PATTERN_BYTES + 1);
    }

    #[test]
    fn script_has_crates_and_functions() {
        let map = "10 10 10000 4 landfall-1.big-2.cgu.rcgu.o:(.text._ZN3big17h0123456789abcdefE)
            10010 10010 20 4 landfall-1.big-2.cgu.rcgu.o:(.text._ZN3use17h0123456789abcdefE)
            20000 20000 20 4 landfall-1.small-2.cgu.rcgu.o:(.text._ZN5small17h0123456789abcdefE)
            30000 30000 20 4 /b/libcompiler_builtins-7.rlib(x.o):(.text.memcpy)
            40000 40000 20 4 /b/libc.a(malloc.o):(.text.malloc)";
        let map = LinkMap::parse(map);
        let functions = UsedFunctions::find(&map, &[0x10010, 0x20000, 0x30000, 0x40000].into());
        assert_eq!(functions.windows(), 4);
        let script = script(&functions);
        let body = script.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(TAIL)).unwrap();
        let expected =
            "    *.small-*(.text .text.*)\n    *libc*(.text .text.*)\n    *.big-*(\n      .text._ZN3use17h*\n    )\n";
        assert_eq!(body, expected);
    }
}
