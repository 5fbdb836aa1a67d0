//! `landfall carry out`: writes what the vendor needs to a stick.

use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_lifecycle::operations::CarriedOut;

use crate::cli::CarryOutArguments;
use crate::commands::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

impl Document for CarriedOut {
    const KIND: &'static str = "carryOut";
}

/// Writes the folder.
pub(super) fn run(arguments: &CarryOutArguments, printer: Printer) -> Result<(), Failure> {
    let carried = operations_of_root(printer)?.carry_out(&arguments.output, arguments.since)?;
    printer.report(&carried, text)?;
    Ok(())
}

fn text(carried: &CarriedOut) -> String {
    let CarriedOut { folder, site_key, parts, missing, .. } = carried;
    let mut text = format!("{} is whole, and was read back from the stick\n", folder.display());
    for part in parts {
        let _infallible = writeln!(text, "  {:<15} {}", part.kind.file_name(), HumanBytes(part.size_bytes));
    }
    for missing in missing {
        // A reason may quote output of the console's pod.
        let _infallible = writeln!(text, "not there: {}: {}", missing.kind.title(), shown::line(&missing.reason));
    }
    let _infallible = write!(
        text,
        "signed by the site's key {site_key}\n\
         Look into it before you hand it over. You may remove the stick after `umount`."
    );
    text
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;
    use landfall_support::carry::{MissingPart, PartKind, PartRecord};

    use super::*;

    #[test]
    fn missing_parts_have_reasons() {
        let part = |kind, size_bytes| PartRecord { kind, size_bytes, sha256: Sha256([7; 32]) };
        let carried = CarriedOut {
            folder: "/media/stick/landfall-7b6f4a52-20261120T080000Z".into(),
            site: "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b".to_owned(),
            made: "2026-11-20T08:00:00Z".to_owned(),
            site_key: "0123".to_owned(),
            parts: vec![part(PartKind::Inventory, 1 << 10), part(PartKind::Support, 3 << 20)],
            missing: vec![MissingPart { kind: PartKind::Usage, reason: "This site has measured no usage".to_owned() }],
        };
        insta::assert_snapshot!(text(&carried), @r"
        /media/stick/landfall-7b6f4a52-20261120T080000Z is whole, and was read back from the stick
          inventory.json  1.00 KiB
          support.tar.gz  3.00 MiB
        not there: report of usage: This site has measured no usage
        signed by the site's key 0123
        Look into it before you hand it over. You may remove the stick after `umount`.
        ");
        let reason = "it failed\nsigned by the site's key 9999".to_owned();
        let forged = CarriedOut { missing: vec![MissingPart { kind: PartKind::Audit, reason }], ..carried };
        assert_eq!(text(&forged).lines().filter(|line| line.starts_with("signed by")).count(), 1);
    }
}
