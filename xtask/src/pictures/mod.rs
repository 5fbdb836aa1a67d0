//! Screenshots for the handbook, which every program carries: PNG with 256 colors, less than half as large.
//!
//! A page has few colors, and letters have edges of some more. The most frequent colors stay as they are, and each
//! other one becomes the nearest of them.

mod png;

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use png::{Color, Picture};

/// Maximum number of colors of a picture with a palette.
const COLORS: usize = 256;

/// Returns a picture with at most 256 colors. The same picture gives the same bytes.
pub fn reduce(picture: &[u8]) -> Result<Vec<u8>> {
    let Picture { width, height, pixels } = Picture::read(picture)?;
    let palette = most_frequent(&pixels);
    let mut places: HashMap<Color, u8> = HashMap::new();
    for pixel in &pixels {
        places.entry(*pixel).or_insert_with(|| nearest(&palette, *pixel));
    }
    let indexed: Vec<u8> = pixels.iter().map(|pixel| places[pixel]).collect();
    png::write(width, height, &palette, &indexed)
}

/// The most frequent colors; of equally frequent ones, the darker ones.
fn most_frequent(pixels: &[Color]) -> Vec<Color> {
    let mut counts: BTreeMap<Color, usize> = BTreeMap::new();
    for pixel in pixels {
        *counts.entry(*pixel).or_default() += 1;
    }
    let mut colors: Vec<(Color, usize)> = counts.into_iter().collect();
    colors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    colors.into_iter().take(COLORS).map(|(color, _)| color).collect()
}

/// The place of the color that differs least.
fn nearest(palette: &[Color], color: Color) -> u8 {
    let difference = |other: &Color| -> u32 {
        other.iter().zip(color).map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).sum()
    };
    let places = (0..=u8::MAX).zip(palette);
    places.min_by_key(|(_, other)| difference(other)).map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_colors_stay_and_others_become_nearest() {
        let mut pixels: Vec<Color> = (0..=u8::MAX).flat_map(|shade| [[shade, 0, 0]; 2]).collect();
        pixels.push([7, 1, 1]);
        let palette = most_frequent(&pixels);
        assert_eq!(palette.len(), COLORS);
        assert!(pixels[..512].iter().all(|pixel| palette[usize::from(nearest(&palette, *pixel))] == *pixel));
        assert_eq!(palette[usize::from(nearest(&palette, [7, 1, 1]))], [7, 0, 0]);
    }

    #[test]
    fn pictures_of_handbook_are_reduced() {
        let folder = crate::workspace::root().join("docs/console");
        let paths = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.extension().is_some_and(|end| end == "png")) {
            let picture = std::fs::read(&path).unwrap();
            assert!(png::has_palette(&picture), "{} has too many colors", path.display());
            assert!(reduce(&picture).is_err(), "{} is reduced already", path.display());
        }
    }
}
