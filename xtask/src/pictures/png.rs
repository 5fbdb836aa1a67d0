//! PNG in the form that Chromium writes, and with a palette. The crate `png` brings compressors of its own, beside the
//! one that all programs share.

use std::io::{Read as _, Write as _};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// First bytes of every PNG.
const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Color types: red, green and blue; the same with opacity; places in a palette.
const PLAIN: u8 = 2;
const WITH_OPACITY: u8 = 6;
const WITH_PALETTE: u8 = 3;

/// Red, green and blue.
pub type Color = [u8; 3];

/// A picture in memory.
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// Colors of the pixels, row by row; opacity is ignored.
    pub pixels: Vec<Color>,
}

/// Returns true if a picture has a palette.
#[cfg(test)]
pub fn has_palette(picture: &[u8]) -> bool {
    chunks(picture).is_ok_and(|chunks| chunks[0].1.get(9) == Some(&WITH_PALETTE))
}

impl Picture {
    /// Reads a picture of 8 bits for each color, without interlacing.
    pub fn read(picture: &[u8]) -> Result<Self> {
        let chunks = chunks(picture)?;
        let header = chunks[0].1;
        ensure!(
            header.len() == 13 && header[8] == 8 && header[12] == 0,
            "the picture has another form than Chromium's"
        );
        let number = |at: usize| Ok::<_, anyhow::Error>(u32::from_be_bytes(header[at..at + 4].try_into()?));
        let (width, height) = (number(0)?, number(4)?);
        let samples = match header[9] {
            PLAIN => 3,
            WITH_OPACITY => 4,
            other => bail!("the picture has the color type {other}"),
        };
        let packed: Vec<u8> =
            chunks.iter().filter(|(kind, _)| *kind == b"IDAT").flat_map(|(_, data)| *data).copied().collect();
        let mut rows = Vec::new();
        ZlibDecoder::new(packed.as_slice()).read_to_end(&mut rows).context("the picture is damaged")?;
        let length = usize::try_from(width)? * samples;
        let mut above = vec![0; length];
        let mut pixels = Vec::new();
        for row in rows.chunks_exact(1 + length) {
            let row = unfilter(row[0], &row[1..], &above, samples)?;
            pixels.extend(row.chunks_exact(samples).map(|pixel| [pixel[0], pixel[1], pixel[2]]));
            above = row;
        }
        ensure!(pixels.len() == usize::try_from(width)? * usize::try_from(height)?, "the picture is cut off");
        Ok(Self { width, height, pixels })
    }
}

/// Kind and data of each chunk; there is at least one.
fn chunks(picture: &[u8]) -> Result<Vec<(&[u8], &[u8])>> {
    let mut rest = picture.strip_prefix(SIGNATURE).context("the picture is no PNG")?;
    let mut chunks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length))?;
        let chunk = after.get(..length + 4).context("the picture is cut off")?;
        chunks.push(chunk.split_at(4));
        rest = after.get(length + 8..).context("the picture is cut off")?;
    }
    ensure!(!chunks.is_empty(), "the picture is empty");
    Ok(chunks)
}

/// Returns the bytes of a row, which are stored as differences from the neighbors at the left and above.
fn unfilter(filter: u8, stored: &[u8], above: &[u8], samples: usize) -> Result<Vec<u8>> {
    let mut row = vec![0_u8; stored.len()];
    for (at, difference) in stored.iter().enumerate() {
        let left = at.checked_sub(samples).map_or(0, |left| row[left]);
        let corner = at.checked_sub(samples).map_or(0, |left| above[left]);
        let guess = match filter {
            0 => 0,
            1 => left,
            2 => above[at],
            3 => left.midpoint(above[at]),
            4 => closest(left, above[at], corner),
            other => bail!("the picture has the filter {other}"),
        };
        row[at] = difference.wrapping_add(guess);
    }
    Ok(row)
}

/// The neighbor that is closest to left + above − corner.
fn closest(left: u8, above: u8, corner: u8) -> u8 {
    let wanted = i16::from(left) + i16::from(above) - i16::from(corner);
    [left, above, corner].into_iter().min_by_key(|one| (wanted - i16::from(*one)).abs()).unwrap_or_default()
}

/// Writes a picture whose pixels are places in a palette.
pub fn write(width: u32, height: u32, palette: &[Color], places: &[u8]) -> Result<Vec<u8>> {
    let mut picture = SIGNATURE.to_vec();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, WITH_PALETTE, 0, 0, 0]].concat();
    push(&mut picture, *b"IHDR", &header)?;
    push(&mut picture, *b"PLTE", &palette.concat())?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in places.chunks(usize::try_from(width)?) {
        encoder.write_all(&[0])?;
        encoder.write_all(row)?;
    }
    push(&mut picture, *b"IDAT", &encoder.finish()?)?;
    push(&mut picture, *b"IEND", &[])?;
    Ok(picture)
}

/// Appends a chunk.
fn push(picture: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Result<()> {
    let mut sum = Crc::new();
    sum.update(&kind);
    sum.update(data);
    picture.extend(u32::try_from(data.len())?.to_be_bytes());
    picture.extend(kind);
    picture.extend(data);
    picture.extend(sum.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_undone() {
        let (above, row): ([u8; 6], [u8; 6]) = ([10, 20, 30, 40, 50, 60], [12, 25, 31, 47, 58, 63]);
        for filter in 0..=4 {
            let mut stored = [0; 6];
            for at in 0..6 {
                let guess = unfilter(filter, &stored, &above, 3).unwrap()[at];
                stored[at] = row[at].wrapping_sub(guess);
            }
            assert_eq!(unfilter(filter, &stored, &above, 3).unwrap(), row, "{filter}");
        }
        assert!(unfilter(5, &[0; 6], &above, 3).is_err());
    }

    #[test]
    fn pictures_are_read_and_written() {
        let palette = write(2, 1, &[[1, 2, 3], [4, 5, 6]], &[1, 0]).unwrap();
        assert!(has_palette(&palette) && Picture::read(&palette).is_err());
        let mut plain = SIGNATURE.to_vec();
        push(&mut plain, *b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, PLAIN, 0, 0, 0]).unwrap();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&[1, 1, 2, 3, 3, 3, 3]).unwrap();
        push(&mut plain, *b"IDAT", &encoder.finish().unwrap()).unwrap();
        let read = Picture::read(&plain).unwrap();
        assert_eq!((read.width, read.height, read.pixels), (2, 1, vec![[1, 2, 3], [4, 5, 6]]));
        for damaged in [&plain[..20], &plain[8..], b""] {
            assert!(Picture::read(damaged).is_err());
        }
    }
}
