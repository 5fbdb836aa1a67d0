//! The map that lld writes of a program: which section of which object is at which address.

use std::ops::Range;

/// Function of the program, in a section of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Addresses from the start of the program.
    pub addresses: Range<u64>,
    /// File name of the object, or of the archive with the object in parentheses.
    pub object: String,
    /// Name of the section, such as `.text.main`.
    pub section: String,
}

/// Functions of a program, by address.
#[derive(Debug)]
pub struct LinkMap(Vec<Function>);

impl LinkMap {
    /// Parses the text of a map. Lines about other things than code are passed over.
    pub fn parse(text: &str) -> Self {
        let mut functions: Vec<_> = text.lines().filter_map(function).collect();
        functions.sort_by_key(|function| function.addresses.start);
        Self(functions)
    }

    /// All functions.
    pub fn functions(&self) -> &[Function] {
        &self.0
    }

    /// Returns the index of the function at an address.
    pub fn index(&self, address: u64) -> Option<usize> {
        let after = self.0.partition_point(|function| function.addresses.start <= address);
        let index = after.checked_sub(1)?;
        self.0[index].addresses.contains(&address).then_some(index)
    }
}

/// Parses a line: address, load address, size, alignment, then `OBJECT:(SECTION)`. Numbers are hexadecimal.
fn function(line: &str) -> Option<Function> {
    let mut fields = line.split_whitespace();
    let start = u64::from_str_radix(fields.next()?, 16).ok()?;
    let size = u64::from_str_radix(fields.nth(1)?, 16).ok().filter(|size| *size > 0)?;
    let (object, section) = line.rsplit_once(":(")?;
    let section = section.strip_suffix(')').filter(|section| section.starts_with(".text"))?;
    let object = object.rsplit(['/', ' ']).next()?;
    Some(Function { addresses: start..start + size, object: object.to_owned(), section: section.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "             VMA              LMA     Size Align Out     In      Symbol
         1f42000          1f42000  2d3a5d1    64 .text
         1f42000          1f42000       3f    16         /b/landfall-0a1b.serde_json-9f.x.0-cgu.0.rcgu.o:(.text.read)
         1f42000          1f42000       3f     1                 read
         1f42040          1f42040        0     4         /b/landfall-0a1b.empty-9f.rcgu.o:(.text.nothing)
         1f42040          1f42040       10    16         /lib/liblibmimalloc_sys-77.rlib(static.o):(.text)
";

    #[test]
    fn addresses_find_functions() {
        let map = LinkMap::parse(MAP);
        let found = |address| map.index(address).map(|index| map.functions()[index].object.as_str());
        let [first, second] = ["landfall-0a1b.serde_json-9f.x.0-cgu.0.rcgu.o", "liblibmimalloc_sys-77.rlib(static.o)"];
        assert_eq!((found(0x1f4_2000), found(0x1f4_203e)), (Some(first), Some(first)));
        assert_eq!((found(0x1f4_203f), found(0x1f4_2041)), (None, Some(second)));
        assert_eq!((found(0x1f4_2050), found(0)), (None, None));
    }
}
