//! A delta on a stick with the parts of the next release that a site lacks, by the inventory that the site has carried
//! out.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use serde_json::Value;

use super::engineer::{Engineer, STICK};
use super::fixture::{fixture, folder};
use super::later_releases::{BROKEN, NEXT};

/// Path of the delta from 1.0.0 to 1.1.0.
pub(crate) const DELTA: &str = "/media/stick/delta";

/// Path of the delta from 1.1.0 to 1.2.0.
const UNFIT: &str = "/media/stick/delta-of-another";

/// Folder to which the site carries out, in place of a stick.
const OUT: &str = "/root/round-trip";

/// The site carries out, the vendor makes deltas, and the site reads the one that matches. The site itself does not
/// change.
pub(crate) fn arrives(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    machine.run(&format!("mkdir {OUT}"))?;
    let out = engineer.landfall(&["carry", "out", "--output", OUT, "--since", "1h"])?.report("carry out")?;
    let carried = out["folder"].as_str().context("nothing was carried out")?;
    let inventory = folder().join("inventory.json");
    std::fs::write(&inventory, machine.read_file(&format!("{carried}/inventory.json"))?)?;
    machine.run(&format!("rm --recursive {OUT}"))?;

    let fixture = fixture()?;
    let on_host = |path: &str| fixture.stick.join(Path::new(path).strip_prefix(STICK).unwrap_or(Path::new(path)));
    let (next, broken) = (on_host(NEXT), on_host(BROKEN));
    let refused = fixture.delta(&broken, &next, Some(&inventory), &on_host(UNFIT)).map(drop);
    let refused = refused.err().context("a delta was made from a release that the site does not keep")?;
    ensure!(format!("{refused:#}").contains("LF4749"), "{refused:#}");
    fixture.delta(&broken, &next, None, &on_host(UNFIT))?;
    let delta = fixture.delta(&next, &fixture.stick, Some(&inventory), &on_host(DELTA))?;
    note(&delta)?;

    refuses_another(engineer)?;
    let taken = engineer.landfall(&["carry", "in", DELTA])?.report("carry in")?;
    ensure!(taken["bundle"]["version"] == "1.1.0" && taken["bundle"]["newer"] == false, "{taken}");
    Ok(())
}

fn note(delta: &Value) -> Result<()> {
    let number = |name: &str| delta[name].as_u64().with_context(|| format!("the delta does not say its {name}"));
    let [bytes, whole, left_out] = [number("bytes")?, number("bundleBytes")?, number("leftOutBytes")?];
    ensure!(bytes + left_out <= whole && bytes * 2 < whole, "a delta of {bytes} bytes for a bundle of {whole}");
    let (mib, whole_mib, percent) = (bytes >> 20, whole >> 20, bytes * 100 / whole);
    printer::note(format!("a delta of 1.1.0 for 1.0.0 has {mib} MiB of {whole_mib}: {percent} %"));
    Ok(())
}

/// A delta that omits content this site lacks is refused before anything is changed.
fn refuses_another(engineer: Engineer<'_>) -> Result<()> {
    let listed = "ls /var/lib/landfall/journal /var/lib/landfall/registry/docker/registry/v2/blobs/sha256";
    let before = engineer.machine().run(listed)?.stdout;
    for more in [&["--dry-run"][..], &[]] {
        let refused = engineer.landfall(&[&["upgrade", UNFIT], more].concat())?;
        let refused = refused.expect_refusal("upgrade with a delta for another site", "LF1218", 3)?.to_string();
        ensure!(refused.contains("blobs of"), "what is missing is not named: {refused}");
    }
    let refused =
        engineer.landfall(&["carry", "in", UNFIT])?.expect_refusal("carry in of a delta for another", "LF4746", 3)?;
    ensure!(refused.to_string().contains("LF1218"), "{refused}");
    ensure!(engineer.machine().run(listed)?.stdout == before, "a refused delta has left something");
    printer::note("proved: a delta for a site that holds more is refused before anything is changed");
    Ok(())
}
