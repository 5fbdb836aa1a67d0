//! RPM's database of installed packages, in the form that RPM has written since version 4.16: one table of
//! `rpmdb.sqlite`.
//!
//! ```text
//! rpmdb.sqlite ── sqlite (pages, trees, overflow) ── record ── header (of a package) ── Package
//! ```
//!
//! Threats: the file comes from upstream's layer. It is held in memory, up to a limit. Each page is examined once,
//! whatever references the pages contain, and a header has its own limit.

mod header;
mod record;
mod sqlite;

use std::io::{self, Read};

use crate::limits;
use crate::package::Package;
use record::Column;
use sqlite::Database;

/// Name of the table of packages.
const TABLE: &[u8] = b"Packages";

/// Reads the packages of a database.
pub fn packages(mut file: impl Read) -> io::Result<Result<Vec<Package>, String>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(read(&bytes))
}

fn read(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let mut database = Database::open(bytes)?;
    let mut packages = Vec::new();
    let root = root(&mut database)?.ok_or("it has no table of packages")?;
    database.rows(root, &mut |row| {
        // The first column is the number of the row, which is not stored in the row.
        let Some(Column::Bytes(header)) = record::columns(row)?.nth(1).transpose()? else {
            return Err("a row of its table does not have RPM's form".to_owned());
        };
        packages.extend(header::package(header)?);
        if packages.len() > limits::PACKAGES {
            return Err(format!("it lists more than {} packages", limits::PACKAGES));
        }
        Ok(())
    })?;
    Ok(packages)
}

/// Returns the first page of the table of packages, as stated in the schema table.
fn root(database: &mut Database<'_>) -> Result<Option<u32>, String> {
    let mut root = None;
    database.rows(sqlite::SCHEMA, &mut |row| {
        let columns: Vec<_> = record::columns(row)?.take(4).collect::<Result<_, _>>()?;
        if let [Column::Bytes(b"table"), Column::Bytes(name), _, Column::Integer(page)] = columns[..]
            && name == TABLE
        {
            root = u32::try_from(page).ok();
        }
        Ok(())
    })?;
    Ok(root)
}

#[cfg(test)]
mod tests;
