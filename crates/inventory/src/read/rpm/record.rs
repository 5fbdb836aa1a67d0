//! A row of SQLite: its columns, each with a number that states its type.

use super::sqlite::varint;

const TORN: &str = "a row contradicts itself";

/// The value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column<'a> {
    /// A number.
    Integer(i64),
    /// A text or bytes.
    Bytes(&'a [u8]),
    /// No value, or a number with a fraction.
    Other,
}

/// The columns of a row, read one by one.
pub(super) struct Columns<'a> {
    row: &'a [u8],
    /// Offset of the next type, and offset of the end of the types.
    types: (usize, usize),
    /// Offset of the next value.
    value: usize,
}

/// Begins to read the columns of a row.
pub(super) fn columns(row: &[u8]) -> Result<Columns<'_>, String> {
    let (header, first) = varint(row, 0)?;
    let value = usize::try_from(header).ok().filter(|value| *value <= row.len()).ok_or(TORN)?;
    Ok(Columns { row, types: (first, value), value })
}

impl<'a> Columns<'a> {
    fn column(&mut self) -> Result<Column<'a>, String> {
        let (kind, next) = varint(self.row, self.types.0)?;
        self.types.0 = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            _ => kind.saturating_sub(12) / 2,
        };
        let until = usize::try_from(length).ok().and_then(|length| self.value.checked_add(length)).ok_or(TORN)?;
        let bytes = self.row.get(self.value..until).ok_or(TORN)?;
        self.value = until;
        Ok(match kind {
            1..=6 => Column::Integer(integer(bytes)),
            8 | 9 => Column::Integer(i64::from(kind == 9)),
            12.. => Column::Bytes(bytes),
            _ => Column::Other,
        })
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = Result<Column<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.types.0 < self.types.1).then(|| self.column())
    }
}

/// Reads a big-endian number of up to eight bytes, with a sign.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    bytes.iter().fold(if negative { -1 } else { 0 }, |number, byte| (number << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_decoded_by_type() {
        // Types: nothing, one byte, two bytes, 0, 1, a text of two, a blob of one.
        let row = [8, 0, 1, 2, 8, 9, 17, 14, 0xff, 0x01, 0x00, b'a', b'b', 7];
        let read: Result<Vec<_>, _> = columns(&row).expect("a row").collect();
        let expected = [
            Column::Other,
            Column::Integer(-1),
            Column::Integer(256),
            Column::Integer(0),
            Column::Integer(1),
            Column::Bytes(b"ab"),
            Column::Bytes(&[7]),
        ];
        assert_eq!(read.expect("columns"), expected);
        let read = |row| columns(row).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        assert_eq!(read(&[]), Err("its pages contradict one another".to_owned()));
        for torn in [&[9][..], &[2, 17], &[3, 0x80], &[2, 1]] {
            assert_eq!(read(torn), Err(TORN.to_owned()), "{torn:?}");
        }
    }
}
