use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::sample::{safetensors, with_length};

fn refusal(header: &[u8], file_bytes: u64) -> String {
    read(header, file_bytes).expect_err("refused").to_string()
}

/// Returns a file with this JSON and this many bytes of data.
fn json(text: &str, data_bytes: u64) -> (Vec<u8>, u64) {
    let header = with_length(text.as_bytes());
    let file_bytes = header.len() as u64 + data_bytes;
    (header, file_bytes)
}

fn refusal_of(text: &str, data_bytes: u64) -> String {
    let (header, file_bytes) = json(text, data_bytes);
    refusal(&header, file_bytes)
}

#[test]
fn tensors_are_counted_by_type() {
    let (header, file_bytes) = safetensors(&[
        ("embed", "BF16", &[32, 4], 256),
        ("scale", "F32", &[], 4),
        ("none", "F32", &[0, u64::MAX, u64::MAX], 0),
        ("packed", "F4", &[3, 2], 3),
    ]);
    let weights = read(&header[..], file_bytes).expect("read").weights;
    assert_eq!((weights.bytes(), weights.bytes_of("BF16"), weights.main_type()), (263, 256, Some("BF16")));
    let (header, file_bytes) = json("{}   ", 0);
    assert_eq!(read(&header[..], file_bytes).expect("empty").weights.bytes(), 0);
}

#[test]
fn unknown_tensor_type_is_counted() {
    let (header, file_bytes) =
        safetensors(&[("a", "U7", &[1], 3), ("b", "F8_E4M3FNUZ", &[2], 2), ("c", "F8_E5M2FNUZ", &[1], 1)]);
    let found = read(&header[..], file_bytes).expect("read");
    assert_eq!((found.weights.bytes_of("other"), found.weights.bytes()), (3, 6));
    assert_eq!(found.unknown.as_deref(), Some("the tensor \"a\" has the unknown type U7"));
    assert!(matches!(read(&header[..], file_bytes - 1), Err(HeaderError::BeyondFile { .. })));
}

/// A reader of endless bytes that counts those that were taken.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.fill(b' ');
        self.0 += buffer.len() as u64;
        Ok(buffer.len())
    }
}

#[test]
fn long_header_is_refused_unread() {
    for length in [limits::SAFETENSORS_HEADER_BYTES + 1, 1 << 40, u64::MAX] {
        let mut rest = Endless(0);
        let said = read(length.to_le_bytes().chain(&mut rest), u64::MAX).expect_err("refused").to_string();
        assert_eq!(said, format!("it claims {length} bytes, and at most 100000000 are read"));
        assert_eq!(rest.0, 0);
    }
}

#[test]
fn excessive_tensors_are_refused() {
    let tensor = |number| format!("\"{number}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    let tensors: Vec<_> = (0..=limits::TENSORS).map(tensor).collect();
    let said = refusal_of(&format!("{{{}}}", tensors.join(",")), 0);
    assert_eq!(said, "it has 131073 tensors, and at most 131072 are read");
}

#[test]
fn false_headers_are_refused() {
    let tensor = |name: &str, shape: &str, begin: u64, end: u64| {
        format!("\"{name}\":{{\"dtype\":\"U8\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}")
    };
    let pair = |one: String, other: String| format!("{{{one},{other}}}");
    let said = [
        refusal(&[1, 2], 2),
        refusal(&100_u64.to_le_bytes(), 50),
        refusal_of("[]", 0),
        refusal_of("{} x", 0),
        refusal_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1),
        refusal_of("{\"a\":{\"dtype\":\"U7\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1),
        refusal_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1),
        refusal_of(&format!("{{{}}}", tensor("a", "[9]", 0, 8)), 8),
        refusal_of(&format!("{{{}}}", tensor("a", "[9]", 9, 0)), 9),
        refusal_of(&format!("{{{}}}", tensor("a", "[9223372036854775808,4]", 0, 8)), 8),
        refusal_of(&format!("{{{}}}", tensor("a", "[1,1,1,1,1,1,1,1,1]", 0, 1)), 1),
        refusal_of(&pair(tensor("a", "[8]", 0, 8), tensor("b", "[8]", 4, 12)), 12),
        refusal_of(&pair(tensor("a", "[8]", 0, 8), tensor("b", "[8]", 9, 17)), 17),
        refusal_of(&pair(tensor("a", "[8]", 0, 8), tensor("a", "[8]", 8, 16)), 16),
        refusal_of(&pair(tensor("a", "[8]", 0, 8), tensor("b", "[8]", 8, 16)), 17),
        refusal_of(&pair(tensor("a", "[8]", 0, 8), tensor("b", "[8]", 8, 16)), 15),
        refusal_of(&format!("{{{}}}", tensor(&"n".repeat(2000), "[8]", 0, 8)), 8),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    it cannot be read to its end
    it claims 108 bytes, and the file has 50
    it is not what safetensors prescribes
    it is not what safetensors prescribes
    it is not what safetensors prescribes
    the size of the tensor "a" cannot be computed from its type and shape
    it is not what safetensors prescribes
    the tensor "a" needs 9 bytes by type and shape, and has 8
    the tensor "a" needs 9 bytes by type and shape, and has 0
    the size of the tensor "a" cannot be computed from its type and shape
    it is not what safetensors prescribes
    the tensors "a" and "b" overlap
    1 bytes of the data belong to no tensor
    the name "a" occurs twice
    1 bytes of the data belong to no tensor
    it claims 16 bytes, and the file has 15
    a name has 2000 bytes
    "#);
}

/// Returns the peak memory of this process so far in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("number")
}

/// Reads the JSON of a header as a stream, without its length: `begin`, one byte many times, and `end`.
fn read_streamed(begin: &str, byte: u8, end: &str) -> Result<SafetensorsHeader, HeaderError> {
    const TIMES: u64 = 24 << 20;
    let header_bytes = begin.len() as u64 + TIMES + end.len() as u64;
    let length = header_bytes.to_le_bytes();
    let json = begin.as_bytes().chain(std::io::repeat(byte).take(TIMES)).chain(end.as_bytes());
    read(length.chain(json), LENGTH_BYTES as u64 + header_bytes)
}

/// The test runs in its own process, so that no other test adds to the measured memory.
#[test]
fn hostile_headers_use_little_memory() {
    const INSIDE: &str = "LANDFALL_TEST_MEMORY";
    const MEMORY_KIB: u64 = 4 << 10;
    if std::env::var_os(INSIDE).is_none() {
        let mut command = std::process::Command::new(std::env::current_exe().expect("this test"));
        let name = "safetensors::tests::hostile_headers_use_little_memory";
        command.args(["--exact", name, "--nocapture"]).env(INSIDE, "yes");
        let output = command.output().expect("it runs");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let before = peak_kib();
    for (begin, byte, expected) in [
        ("{\"", b'a', "a text has more than 6144 bytes"),
        ("{\"a\":{\"dtype\":\"", b'a', "a text has more than 6144 bytes"),
        ("{\"a\":{\"", b'a', "a text has more than 6144 bytes"),
        ("{\"__metadata__", b'a', "a text has more than 6144 bytes"),
        ("{\"__metadata__\":{},\"a\":{\"", b'a', "a text has more than 6144 bytes"),
        ("{\"a\":{\"shape\":[", b'1', "a number has more than 64 bytes"),
        ("{\"__metadata__\":", b'[', "its values are nested more than 64 deep"),
    ] {
        let said = read_streamed(begin, byte, "").expect_err(begin).to_string();
        assert_eq!(said, expected, "{begin}");
    }
    read_streamed("{\"__metadata__\":{\"picture\":\"", b'a', "\"}}").expect("the metadata may be long");
    let added = peak_kib() - before;
    assert!(added < MEMORY_KIB, "{added} KiB");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in any::<u64>()) {
        let _ = read(&bytes[..], size);
        let _ = read(&with_length(&bytes)[..], size);
    }

    /// Any tensors that were written are read back with the same total.
    #[test]
    fn generated_tensors_are_read(
        sizes in proptest::collection::vec((0_u64..50, 0_u64..50), 0..20),
    ) {
        let names: Vec<_> = (0..sizes.len()).map(|number| number.to_string()).collect();
        let shapes: Vec<_> = sizes.iter().map(|(rows, columns)| [*rows, *columns]).collect();
        let tensors: Vec<_> = names
            .iter()
            .zip(&shapes)
            .map(|(name, shape)| (name.as_str(), "F16", &shape[..], shape[0] * shape[1] * 2))
            .collect();
        let (header, file_bytes) = safetensors(&tensors);
        let sum: u64 = tensors.iter().map(|(_, _, _, bytes)| bytes).sum();
        prop_assert_eq!(read(&header[..], file_bytes).expect("read").weights.bytes(), sum);
        // The file must not have a byte of data more or less than declared.
        let more = read(&header[..], file_bytes + 1);
        prop_assert!(matches!(more, Err(HeaderError::Hole { bytes: 1 })), "{more:?}");
        let less = read(&header[..], file_bytes.saturating_sub(1));
        prop_assert!(matches!(less, Err(HeaderError::BeyondFile { .. })), "{less:?}");
    }

    #[test]
    fn changed_byte_never_panics(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (mut header, file_bytes) = safetensors(&[("a", "BF16", &[8, 8], 128), ("b", "F32", &[4], 16)]);
        let at = at.index(header.len());
        header[at] = byte;
        if let Ok(found) = read(&header[..], file_bytes) {
            prop_assert!(found.weights.bytes() <= file_bytes);
        }
    }
}
