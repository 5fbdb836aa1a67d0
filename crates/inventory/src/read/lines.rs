//! Lines of an untrusted file.

use std::io::{self, BufRead};

use crate::limits;

/// Calls `each` for each line, without its end, until it returns false. The part of a line beyond
/// [`limits::LINE_BYTES`] is dropped.
pub fn each_line(mut file: impl BufRead, mut each: impl FnMut(&str) -> bool) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let buffer = file.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(buffer.len());
        let room = limits::LINE_BYTES.saturating_sub(line.len()).min(length);
        line.extend_from_slice(&buffer[..room]);
        file.consume(end.map_or(length, |end| end + 1));
        if end.is_some() {
            if !each(String::from_utf8_lossy(&line).trim_end_matches('\r')) {
                return Ok(());
            }
            line.clear();
        }
    }
    if !line.is_empty() {
        each(&String::from_utf8_lossy(&line));
    }
    Ok(())
}
