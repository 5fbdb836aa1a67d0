//! The table as text and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::Ratio;

/// One verb.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `build`, `verify`, `stage`.
    pub verb: &'static str,
    /// Bytes of the bundle as one stream.
    pub bundle_bytes: u64,
    /// Bytes of its blobs.
    pub blob_bytes: u64,
    /// Bytes read from the store, over the bytes of the bundle's blobs.
    pub store_read: f64,
    /// Bytes written to the store, over the bytes of the bundle's blobs.
    pub store_written: f64,
    /// Bytes read from the media, over the bytes of the bundle.
    pub media_read: f64,
    /// Bytes written to the media, over the bytes of the bundle.
    pub media_written: f64,
    /// Bytes read back from the media, over the bytes of the bundle.
    pub media_read_back: f64,
    /// What the kernel counted for the whole process (read and written), over what Landfall counted.
    pub kernel_agreement: f64,
    /// Largest resident memory, in bytes.
    pub peak_memory_bytes: u64,
    /// Times over rivals'.
    pub ratios: Vec<Ratio>,
}

/// The table, for people.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    let header = "verb     store r  store w  media r  media w  read back  kernel  peak MiB   time over rivals";
    let _infallible = writeln!(text, "{header}");
    for row in rows {
        let ratios = row.ratios.iter().map(|ratio| {
            let warm = if ratio.cold { "" } else { " (warm cache)" };
            let limit = ratio.limit.map(|limit| {
                let verdict = if ratio.met == Some(true) { "met" } else { "NOT MET" };
                format!(", limit {limit:.2} {verdict}")
            });
            let limit = limit.unwrap_or_default();
            format!("{:.2} {} [{:.2}–{:.2}]{warm}{limit}", ratio.median, ratio.rival, ratio.minimum, ratio.maximum)
        });
        let _infallible = writeln!(
            text,
            "{:<8} {:>7.2}  {:>7.2}  {:>7.2}  {:>7.2}  {:>9.2}  {:>6.3}  {:>8}   {}",
            row.verb,
            row.store_read,
            row.store_written,
            row.media_read,
            row.media_written,
            row.media_read_back,
            row.kernel_agreement,
            row.peak_memory_bytes >> 20,
            ratios.collect::<Vec<_>>().join(" · ")
        );
    }
    text.push_str("Bytes are per byte of the bundle (media) or of its blobs (store); kernel is what /proc/PID/io says over Landfall's count.\n");
    text
}
