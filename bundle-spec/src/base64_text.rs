//! Base64 in documents of other software (DSSE envelopes, Sigstore bundles), which use either alphabet. Landfall's own
//! documents have one encoding, and this module does not read them.

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Decodes text of the standard or the URL-safe alphabet, with or without padding. Returns an error for text that mixes
/// them.
pub fn decode_either_alphabet(text: &str) -> Result<Vec<u8>, DecodeError> {
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    GeneralPurpose::new(&alphabet, CONFIG).decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_alphabets_cannot_be_mixed() {
        let bytes = [0xfb, 0xff, 0xbf, 0xfe];
        for text in ["+/+//g==", "+/+//g", "-_-__g==", "-_-__g"] {
            assert_eq!(decode_either_alphabet(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(decode_either_alphabet("").unwrap(), b"");
        for (text, error) in [
            ("+_+__g==", DecodeError::InvalidByte(0, b'+')),
            ("-/-//g", DecodeError::InvalidByte(1, b'/')),
            ("+/+//h==", DecodeError::InvalidLastSymbol(5, b'h')),
            ("+/+/ /g=", DecodeError::InvalidByte(4, b' ')),
            ("a", DecodeError::InvalidLength(1)),
            ("*", DecodeError::InvalidByte(0, b'*')),
        ] {
            assert_eq!(decode_either_alphabet(text), Err(error), "{text}");
        }
    }
}
