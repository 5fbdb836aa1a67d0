//! Reader of `os-release`: the distribution of an image.

use std::io::{self, BufRead};

use super::lines;
use crate::package::is_text;
use crate::system::System;

/// Returns the distribution, if the file names one.
pub fn read(file: impl BufRead) -> io::Result<Option<System>> {
    let (mut distribution, mut version) = (None, None);
    lines::each_line(file, |line| {
        let Some((name, value)) = line.split_once('=') else { return true };
        let value = value.trim().trim_matches(['"', '\'']);
        match name.trim() {
            "ID" => distribution = is_text(value).then(|| value.to_owned()),
            "VERSION_ID" => version = is_text(value).then(|| value.to_owned()),
            _ => {}
        }
        true
    })?;
    Ok(distribution.map(|distribution| System { distribution, version }))
}
