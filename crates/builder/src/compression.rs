//! Detection of the compression of layers and archives, and their decompression. The bytes come from upstream: the
//! decoder bounds its memory, and the caller bounds the output.

use std::io::{self, BufRead as _, BufReader, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const BUFFER_BYTES: usize = 1 << 20;

/// Number of bytes at the start of a stream that identify its compression.
pub const MAGIC_BYTES: u64 = 4;

/// OCI media type of uncompressed layers.
const PLAIN_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Compression of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// One or more gzip members.
    Gzip,
    /// One or more Zstandard frames.
    Zstd,
}

impl Compression {
    /// Compression of a layer that starts with these bytes, as containerd detects it; `None` for an unknown media type.
    ///
    /// If a media type names a compression, or is one of Docker's, the bytes decide; OCI's media type for plain
    /// archives is trusted.
    pub fn of_layer(media_type: &str, beginning: &[u8]) -> Option<Self> {
        match media_type {
            PLAIN_LAYER => Some(Self::None),
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(Self::of_bytes(beginning)),
            _ => None,
        }
    }

    /// Compression of a stream that starts with these bytes, of which [`MAGIC_BYTES`] are enough.
    pub fn of_bytes(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // A frame with data, or a skippable frame.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Compression of an artifact's layer that is an archive, by its media type; `None` for a plain file.
    pub fn of_artifact_layer(media_type: &str) -> Option<Self> {
        let suffixes = [
            (".tar", Self::None),
            ("+tar", Self::None),
            ("tar+gzip", Self::Gzip),
            ("tar.gzip", Self::Gzip),
            ("tar+zstd", Self::Zstd),
            ("tar.zstd", Self::Zstd),
        ];
        suffixes.into_iter().find_map(|(suffix, compression)| media_type.ends_with(suffix).then_some(compression))
    }

    /// Compression of an archive, by its name; `None` for an unknown suffix.
    pub fn of_archive(name: &str) -> Option<Self> {
        let suffixes = [(".tar", Self::None), (".tar.gz", Self::Gzip), (".tgz", Self::Gzip), (".tar.zst", Self::Zstd)];
        suffixes.into_iter().find_map(|(suffix, compression)| name.ends_with(suffix).then_some(compression))
    }

    /// A reader of the decompressed bytes.
    pub fn reader<'a>(self, source: impl Read + 'a) -> Box<dyn Read + 'a> {
        let source = BufReader::with_capacity(BUFFER_BYTES, source);
        match self {
            Self::None => Box::new(source),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Self::Zstd => Box::new(Frames::new(source)),
        }
    }
}

/// A reader of all frames of a Zstandard stream, because the decoder reads only one. Skippable frames, in which writers
/// store indexes, are skipped.
struct Frames<R: Read> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    inside: bool,
}

impl<R: Read> Frames<R> {
    fn new(source: BufReader<R>) -> Self {
        Self { source, decoder: FrameDecoder::new(), inside: false }
    }

    /// Enters the next frame with data; returns false at the end.
    fn enter(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside {
                if !self.enter()? {
                    return Ok(0);
                }
                self.inside = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, one).map_err(io::Error::other)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            check_sum(&self.decoder)?;
            self.inside = false;
        }
    }
}

fn check_sum(decoder: &FrameDecoder) -> io::Result<()> {
    match (decoder.get_checksum_from_data(), decoder.get_calculated_checksum()) {
        (Some(said), Some(found)) if said != found => Err(io::Error::other("a frame's checksum is wrong")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn read(stream: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Compression::Zstd.reader(io::Cursor::new(stream)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn empty_frames_are_skipped() {
        let frame = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let long = vec![7; 3_000_000];
        let stream = [frame(b"one"), skipped.clone(), frame(&long), frame(b""), skipped.clone()].concat();
        assert_eq!(read(stream.clone()).expect("read"), [&b"one"[..], &long].concat());
        assert_eq!(read(Vec::new()).expect("nothing"), b"");

        for (stream, said) in [
            (stream[..stream.len() - 1].to_vec(), "unexpected end of file"),
            (stream[..2].to_vec(), "MagicNumberReadError"),
            (stream[..frame(b"one").len() + 5].to_vec(), "FrameDescriptorReadError"),
            ([frame(b"one"), b"surplus".to_vec()].concat(), "BadMagicNumber"),
        ] {
            let refused = read(stream).expect_err(said).to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn layers_are_recognized_by_magic_bytes() {
        let gzip = [0x1f, 0x8b, 8, 0];
        let (zstd, skipped) = ([0x28, 0xb5, 0x2f, 0xfd], [0x57, 0x2a, 0x4d, 0x18]);
        for media_type in [
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ] {
            let of = |beginning: &[u8]| Compression::of_layer(media_type, beginning).expect("known");
            assert_eq!(of(&gzip), Compression::Gzip, "{media_type}");
            assert_eq!([of(&zstd), of(&skipped)], [Compression::Zstd; 2], "{media_type}");
            assert_eq!([of(b"etc/"), of(b"")], [Compression::None; 2], "{media_type}");
        }
        assert_eq!(Compression::of_layer(PLAIN_LAYER, &gzip), Some(Compression::None), "containerd does not look");
    }

    #[test]
    fn compression_follows_type_or_file_name() {
        assert_eq!(Compression::of_layer("application/x", &[0x1f, 0x8b, 8, 0]), None);
        for (media_type, compression) in [
            ("application/vnd.cncf.model.weight.v1.tar", Some(Compression::None)),
            ("application/vnd.cncf.model.weight.v1.tar+gzip", Some(Compression::Gzip)),
            ("application/vnd.cncf.model.weight.config.v1.tar+zstd", Some(Compression::Zstd)),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Some(Compression::Gzip)),
            ("application/vnd.example.thing+tar", Some(Compression::None)),
            ("application/vnd.cncf.model.weight.v1.raw", None),
            ("application/x-tar", None),
        ] {
            assert_eq!(Compression::of_artifact_layer(media_type), compression, "{media_type}");
        }
        for (name, compression) in [
            ("a.tar.gz", Some(Compression::Gzip)),
            ("a.tgz", Some(Compression::Gzip)),
            ("a.tar.zst", Some(Compression::Zstd)),
            ("a.tar", Some(Compression::None)),
            ("a.tar.xz", None),
            ("kubelet", None),
        ] {
            assert_eq!(Compression::of_archive(name), compression, "{name}");
        }
    }
}
