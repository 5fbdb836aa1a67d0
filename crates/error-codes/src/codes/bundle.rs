//! Codes of a bundle: format, trust and media.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF10: format.
    TRUNCATED = "LF1001", Refused, "The bundle's data ends too early", "Copy the bundle again from its origin; compare \
        SHA256SUMS.";
    NOT_A_BUNDLE = "LF1002", Refused, "Not a Landfall bundle", "Name the first part, the single .landfall file or the \
        .head file of a bundle.";
    UNKNOWN_FORMAT = "LF1003", Refused, "The bundle has a format that this Landfall does not know", "Use the \
        `landfall` that came with the bundle.";
    UNKNOWN_REQUIREMENT = "LF1004", Refused, "The bundle needs a newer Landfall", "Use the `landfall` that came with \
        the bundle, or the version named.";
    TRAILING_DATA = "LF1005", Refused, "Data follows the end of the head or the stream", "Copy the file again from its \
        origin; nothing may be appended to it.";
    DAMAGED_HEADER = "LF1006", Refused, "A header of the archive differs from the signed list", "Copy the bundle again \
        from its origin; compare SHA256SUMS.";
    DAMAGED_DOCUMENT = "LF1007", Refused, "A document of the head does not match its digest", "Copy the bundle again \
        from its origin; compare SHA256SUMS.";
    DAMAGED_CHUNK = "LF1008", Refused, "A chunk of a blob is damaged", "Copy the bundle again from its origin; compare \
        SHA256SUMS.";
    DAMAGED_CHUNK_LIST = "LF1009", Refused, "The list of chunks does not belong to the blob", "Ask the vendor for a \
        new bundle; this one was built incorrectly.";
    DUPLICATE_NAME = "LF1010", Refused, "A name occurs twice in a document", "Ask the vendor for a new bundle; this \
        one was built incorrectly.";
    NOT_CANONICAL = "LF1011", Refused, "A document is not canonical JSON", "Copy the bundle again; if the error \
        persists, ask the vendor for a new one.";
    INVALID_DOCUMENT = "LF1012", Refused, "A document has fields that its type does not allow", "Copy the bundle \
        again; if the error persists, ask the vendor for a new one.";
    WRONG_TYPE = "LF1013", Refused, "A document has a different type than its place requires", "Ask the vendor for a \
        new bundle; this one was built incorrectly.";
    TOO_LARGE = "LF1014", Refused, "A size or count exceeds a limit of the format", "Copy the bundle again; if the \
        error persists, ask the vendor for a new one.";
    DAMAGED_PADDING = "LF1015", Refused, "Padding of the archive is not zero", "Copy the bundle again from its origin; \
        compare SHA256SUMS.";
    MISPLACED_FILE = "LF1016", Refused, "A file of the archive is out of place", "Copy the bundle again; if the error \
        persists, ask the vendor for a new one.";
    WRONG_LENGTH = "LF1017", Refused, "The signed list does not add up to the signed length", "Ask the vendor for a \
        new bundle; this one was built incorrectly.";
    UNREADABLE = "LF1018", Refused, "The bundle cannot be read", "Try the stick in another port, or copy the bundle \
        again.";
    INVALID_CONTENTS = "LF1020", Usage, "The contents cannot be written as a bundle", "Correct the value that the \
        message names.";
    PART_SIZE = "LF1021", Usage, "The bundle cannot be split into parts of this size", "Choose a larger part size.";
    // LF11: trust.
    TRUST_MISSING = "LF1101", Refused, "No root of trust was given", "Pass `--trust` with the vendor's root file or \
        its fingerprint, obtained over a channel other than the stick.";
    FINGERPRINT_MALFORMED = "LF1102", Usage, "Malformed fingerprint", "Type `sha256:` and 64 hexadecimal digits, as \
        the vendor published them.";
    FINGERPRINT_WRONG = "LF1103", Refused, "The bundle's first root document does not have this fingerprint", "Compare \
        the fingerprint with the one the vendor published; if it is right, do not use this bundle.";
    UNSIGNED = "LF1104", Refused, "The bundle is not signed", "Ask the vendor for a signed bundle.";
    UNKNOWN_KEY = "LF1105", Refused, "A signature is by a key that the trusted root does not name for this role", "Do \
        not use this bundle; ask the vendor which key signs releases.";
    BAD_SIGNATURE = "LF1106", Refused, "A signature does not match", "Copy the bundle again; if the error persists, do \
        not use it.";
    THRESHOLD_NOT_MET = "LF1107", Refused, "Too few keys have signed", "Ask the vendor for a bundle signed by as many \
        keys as its root requires.";
    BAD_ROOT_CHAIN = "LF1108", Refused, "The chain of root documents is broken", "Do not use this bundle; ask the \
        vendor for one with an unbroken chain.";
    ROOT_DIFFERS = "LF1109", Refused, "The bundle's root document differs from the trusted one of the same number",
    "Do not use this bundle; ask the vendor.";
    INVALID_ROOT = "LF1110", Refused, "A root document contradicts itself", "Ask the vendor for a new root document.";
    INVALID_SIGNATURE = "LF1111", Refused, "A signature file is not a Sigstore bundle in Landfall's form", "Copy the \
        bundle again; if the error persists, ask the vendor for a new one.";
    INVALID_PUBLIC_KEY = "LF1112", Refused, "A public key is not a P-256 or Ed25519 key in its canonical encoding",
    "Use a key made by `landfall key new` or `cosign generate-key-pair`.";
    PRIVATE_KEY = "LF1113", Usage, "The private key cannot be used", "Check the key file and its password.";
    ROOT_MISSING = "LF1114", Usage, "There is no root document for the signature", "Pass the folder that holds the \
        vendor's root documents.";
    ROLLBACK_REFUSED = "LF1120", Refused, "The release is older than one that this site has run", "Use a bundle whose \
        counter is not lower; the site accepts an older release only if it has run it before.";
    ASSEMBLED_REFUSED = "LF1121", Refused, "The release has images assembled for tests, and its root is not for \
        development", "Ask the vendor for a release of upstream's own images.";
    TRUST_UNREADABLE = "LF1122", Usage, "The root document that `--trust` names cannot be read", "Pass `--trust` with \
        the path of the vendor's root document, or with its fingerprint.";
    CHAIN_TOO_YOUNG = "LF1130", Refused, "The bundle's root documents begin after the trusted one", "Ask the vendor \
        for a bundle whose chain of root documents begins at or below the trusted number. Or pass a newer root \
        document with `--trust`, obtained over a channel other than the stick.";
    REVOKED = "LF1131", Refused, "The vendor has revoked this release", "Ask the vendor for a newer release; running \
        software is not changed.";
    REVOCATION_DIFFERS = "LF1132", Refused, "Two revocations have the same number", "Do not use this bundle; ask the \
        vendor which revocation is right.";
    INVALID_REVOCATION = "LF1133", Refused, "A revocation contradicts itself", "Ask the vendor for a new revocation.";
    FOREIGN_SIGNATURE = "LF1134", Usage, "A signature was not made by a key that may sign the document", "Sign exactly \
        the bytes that `landfall trust show --message` writes, with a key that the root documents name.";
    SIGN_COMMAND = "LF1135", Usage, "The signing command failed", "Run the command by hand: it must read the file \
        named by $DOCUMENT and write the signature to the file named by $SIGNATURE.";
    TRUST_INCOMPLETE = "LF1136", Usage, "A trust document lacks signatures", "Sign it with more of the named keys: \
        `landfall trust sign`.";
    TRUST_CHANGE_REFUSED = "LF1137", Usage, "The requested change of a trust document is not possible", "Correct the \
        option that the message names.";
    REVOCATION_OLDER = "LF1138", Usage, "The revocation is not newer than the one this site knows",
    "Import the vendor's newest revocation.";
    PROVENANCE_FOREIGN = "LF1140", Refused, "The provenance is that of another bundle", "Name the provenance of this \
        bundle with --file: it is stored beside the bundle, under the same name.";
    PROVENANCE_MISSING = "LF1141", Usage, "No provenance is stored beside the bundle", "Name its file with --file. \
        Bundles that went to standard output, or that an earlier Landfall built, have none.";
    PROVENANCE_SIGNER = "LF1142", Refused, "The provenance is signed by no key that may sign releases", "Do not rely \
        on it; ask the vendor for the provenance of this bundle.";
    // LF12: media and parts.
    MEDIA_IO = "LF1201", Resumable, "A file could not be read or written", "Check the disk or stick and the \
        permissions of the named path, then run the same command again.";
    NO_SPACE = "LF1202", Resumable, "The disk or stick is full", "Free space on the named filesystem or use a larger \
        stick, then run the same command again.";
    SYNC_FAILED = "LF1203", Resumable, "The disk or stick failed to make data durable", "Do not trust this disk: look \
        at the kernel's log, replace or remount it, then run the same command again.";
    BUNDLE_NOT_FOUND = "LF1204", Usage, "No bundle found", "Name the bundle's file, its first part, its .head, or the \
        folder that holds the parts.";
    SEVERAL_BUNDLES = "LF1205", Usage, "The folder holds several bundles", "Name the first part of the intended \
        bundle.";
    PART_MISSING = "LF1206", Refused, "A part of the bundle is missing", "Copy the named part into the folder of the \
        other parts, from the stick or from the vendor.";
    PART_FOREIGN = "LF1207", Refused, "A part does not fit its place in the bundle", "Copy the named part and the one \
        before it again; parts of other bundles and changed parts are never used.";
    PAYLOAD_DAMAGED = "LF1208", Refused, "The bundle is damaged", "Copy the named part again from a good copy. Then \
        run the same command again; after `landfall install`, run `landfall resume`. Verified data is kept.";
    SURPLUS_DATA = "LF1209", Refused, "A file continues after the end of the bundle", "Copy the named file again from \
        a good copy.";
    BLOB_MISMATCH = "LF1210", Usage, "A blob does not match its digest", "Ask the provider of the blob: it differs \
        from the one that the lock names.";
    BLOB_MISSING = "LF1211", Usage, "A blob is missing", "Fetch it again: run the command that fills the store.";
    STORE_DAMAGED = "LF1212", Resumable, "The content store is damaged", "Remove the named file and run the command \
        that fills the store again.";
    READ_BACK_FAILED = "LF1213", Resumable, "The stick does not return what was written to it", "Do not use this \
        stick: it is worn or smaller than it claims. Build to another one.";
    OUTPUT_EXISTS = "LF1214", Usage, "The output exists already", "Remove it or name another output folder.";
    BUNDLE_SHORT = "LF1215", Refused, "A file of the bundle ends too early", "Copy the named part again from a good \
        copy.";
    PART_SWAPPED = "LF1216", Refused, "A part has the name of another part", "Give the named files their right names, \
        or copy both parts again; the names are in SHA256SUMS.";
    FILE_TOO_LARGE = "LF1217", Usage, "The filesystem cannot hold files of this size", "Build with --part-size fat32, \
        or use a stick with another filesystem.";
    DELTA_UNFIT = "LF1218", Refused, "A delta leaves out what this site does not hold", "Bring the whole bundle, or \
        have the vendor make a delta from a release that `landfall releases` lists here.";
    NOTHING_STAGED = "LF1230", Usage, "Nothing is staged on this machine", "Run `landfall install` with a bundle \
        first.";
    OUTPUT_IN_USE = "LF1234", NotReady, "Another build is writing the same bundle into this folder", "Wait until it \
        has ended, or name another output folder.";
}
