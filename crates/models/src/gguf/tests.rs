use proptest::prelude::*;

use super::*;
use crate::sample::{GgufValue, gguf};

fn metadata() -> Vec<(&'static str, GgufValue)> {
    let tokens = (0..1000).map(|number| number.to_string()).collect();
    vec![
        ("general.architecture", GgufValue::Text("llama".to_owned())),
        ("general.description", GgufValue::Text("d".repeat(5000))),
        ("general.file_type", GgufValue::U32(15)),
        ("llama.block_count", GgufValue::U32(2)),
        ("llama.context_length", GgufValue::U32(4096)),
        ("llama.embedding_length", GgufValue::U32(512)),
        ("llama.feed_forward_length", GgufValue::U32(1024)),
        ("llama.attention.head_count", GgufValue::U32(8)),
        ("llama.attention.head_count_kv", GgufValue::Numbers(vec![2, 4])),
        ("tokenizer.ggml.tokens", GgufValue::Texts(tokens)),
    ]
}

/// Two tensors: 16 rows of 512 numbers in `Q4_K`, and 512 floats.
const TENSORS: [(&str, u32, &[u64], u64); 2] = [("a", 12, &[512, 16], 4608), ("b", 0, &[512], 2048)];

fn refusal(header: &[u8], file_bytes: u64) -> String {
    read(header, file_bytes).expect_err("refused").to_string()
}

#[test]
fn figures_and_weights_are_read() {
    let (header, file_bytes) = gguf(&metadata(), &TENSORS);
    let found = read(&header[..], file_bytes).expect("read");
    assert_eq!((found.weights.bytes_of("Q4_K"), found.weights.bytes_of("F32")), (4608, 2048));
    let figures = found.figures.expect("figures");
    assert_eq!((figures.layers, figures.heads, figures.kv_heads, figures.head_dim), (2, 8, 4, 64));
    assert_eq!((figures.context, figures.vocabulary, figures.intermediate), (4096, 1000, 1024));
    let quantization = figures.quantization.expect("quantized");
    assert_eq!((quantization.method.as_str(), quantization.bits), ("Q4_K_M", 4));
    // Windows, vocabularies and long texts are skipped; parts after the first have no figures.
    let (header, file_bytes) = gguf(&[], &TENSORS);
    let part = read(&header[..], file_bytes).expect("read");
    assert_eq!(part.figures, Err("its metadata names no architecture".to_owned()));
    assert_eq!(part.weights.bytes(), 6656);
}

#[test]
fn unknown_tensor_type_has_no_figures() {
    // The types are `NVFP4`, an unknown one, and `Q1_0`.
    let tensors: [(&str, u32, &[u64], u64); 3] = [("a", 40, &[128], 72), ("b", 99, &[7], 64), ("c", 41, &[128, 2], 36)];
    let (header, file_bytes) = gguf(&metadata(), &tensors);
    let found = read(&header[..], file_bytes).expect("read");
    let of = |kind| found.weights.bytes_of(kind);
    assert_eq!((of("NVFP4"), of("Q1_0"), of("other")), (72, 36, 64));
    assert_eq!(found.unknown.as_deref(), Some("the tensor \"b\" has the unknown type 99"));
    assert!(matches!(read(&header[..], file_bytes - 64), Err(HeaderError::BeyondFile { .. })));
    // An empty tensor begins at the same place as the next one, whatever their types.
    let (header, file_bytes) = gguf(&[], &[("a", 0, &[0], 0), ("b", 30, &[32], 64)]);
    assert_eq!(read(&header[..], file_bytes).expect("read").weights.bytes(), 64);
}

#[test]
fn latents_need_stated_sizes() {
    let mut metadata = metadata();
    metadata.push(("llama.attention.kv_lora_rank", GgufValue::U32(512)));
    metadata.push(("llama.rope.dimension_count", GgufValue::U32(64)));
    let latent = |metadata: &[(&'static str, GgufValue)]| {
        let (header, file_bytes) = gguf(metadata, &TENSORS);
        read(&header[..], file_bytes).expect("read").figures.expect("figures").latent
    };
    assert_eq!(latent(&metadata), None);
    metadata.push(("llama.attention.key_length_mla", GgufValue::U32(192)));
    assert_eq!(latent(&metadata), None);
    metadata.push(("llama.attention.value_length_mla", GgufValue::U32(128)));
    assert!(latent(&metadata).is_some());
}

#[test]
fn false_headers_are_refused() {
    let (good, file_bytes) = gguf(&metadata(), &TENSORS);
    let with = |at: usize, bytes: &[u8]| {
        let mut header = good.clone();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        refusal(&header, file_bytes)
    };
    let of = |tensors: &[(&str, u32, &[u64], u64)]| {
        let (header, file_bytes) = gguf(&[], tensors);
        refusal(&header, file_bytes)
    };
    let overlapping = {
        let (mut header, file_bytes) = gguf(&[], &[("a", 24, &[64], 64), ("b", 24, &[64], 64)]);
        let at = header.len() - 8;
        header[at..].copy_from_slice(&32_u64.to_le_bytes());
        refusal(&header, file_bytes)
    };
    let said = [
        with(0, b"GGML"),
        with(4, &1_u32.to_le_bytes()),
        with(4, &3_u32.to_be_bytes()),
        with(8, &u64::MAX.to_le_bytes()),
        with(16, &u64::MAX.to_le_bytes()),
        with(24, &u64::MAX.to_le_bytes()),
        refusal(&good[..good.len() - 1], file_bytes),
        refusal(&good, file_bytes - 1),
        of(&[("a", 12, &[100], 1)]),
        of(&[("a", 0, &[1 << 40, 1 << 40], 1)]),
        of(&[("a", 0, &[1; 9], 1)]),
        of(&[("a", 24, &[1 << 62], 1)]),
        overlapping,
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    it is not GGUF of version 2 or 3
    it is not GGUF of version 2 or 3
    it is not GGUF of version 2 or 3
    it has 18446744073709551615 tensors, and at most 131072 are read
    it has 18446744073709551615 metadata entries, and at most 4096 are read
    a name has 18446744073709551615 bytes
    it cannot be read to its end
    it claims 23072 bytes, and the file has 23071
    the size of the tensor "a" cannot be computed from its type and shape
    the size of the tensor "a" cannot be computed from its type and shape
    it has 9 dimensions, and at most 8 are read
    it claims 4611686018427387968 bytes, and the file has 96
    the tensors "a" and "b" overlap
    "#);
}

#[test]
fn endless_metadata_is_refused() {
    let entry = |kind: u32, rest: &[u8]| {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.push(b'k');
        bytes.extend(kind.to_le_bytes());
        bytes.extend(rest);
        let zeros = std::io::repeat(0);
        read(std::io::Read::chain(&bytes[..], zeros), u64::MAX).expect_err("refused").to_string()
    };
    let array = |kind: u32, count: u64| [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
    let said = [
        entry(8, &u64::MAX.to_le_bytes()),
        entry(8, &(65_u64 << 20).to_le_bytes()),
        entry(9, &array(0, 65 << 20)),
        entry(9, &array(8, 1 << 40)),
        entry(9, &[array(9, 1), array(9, 1), array(9, 1), array(9, 1), array(9, 1), array(8, 1)].concat()),
        entry(13, &[]),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    it claims 18446744073709551615 bytes, and at most 67108864 are read
    it claims 68157485 bytes, and at most 67108864 are read
    it claims 68157489 bytes, and at most 67108864 are read
    it has 1099511627776 elements in an array, and at most 8388601 are read
    arrays are nested more than 4 deep
    a value of its metadata has the unknown type 13
    ");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in any::<u64>()) {
        let _ = read(&bytes[..], size);
        let _ = read(&[b"GGUF\x03\0\0\0", &bytes[..]].concat()[..], size);
    }

    #[test]
    fn changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (mut header, file_bytes) = gguf(&metadata(), &TENSORS);
        let at = at.index(header.len());
        header[at] = byte;
        if let Ok(found) = read(&header[..], file_bytes) {
            prop_assert!(found.weights.bytes() <= file_bytes);
            if let Ok(figures) = found.figures {
                prop_assert!(figures.check().is_ok());
            }
        }
    }
}
