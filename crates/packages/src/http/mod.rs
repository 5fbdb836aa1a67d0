//! The HTTP semantics of pages, documents and files, without a server: the form of a page, parts of a file, and
//! conditional requests.

mod accept;
mod conditions;
mod range;

pub use accept::{Form, NpmForm, negotiate, negotiate_npm};
pub use conditions::{has_already, tag_of};
pub use range::{Part, part};
