//! Buckets of S3 servers as sources of artifacts: names in the lock, URLs of objects, lists, and records of objects
//! that were read before.

mod list;
mod name;
mod seen;

pub use list::{ListedObject, ObjectListing, ObjectPage};
pub use name::{BucketName, BucketParts};
pub use seen::{keep, recorded_digest};
