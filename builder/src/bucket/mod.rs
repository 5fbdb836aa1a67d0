//! Buckets of S3 servers that have the files of artifacts: how a lock names a part of one, where its objects are, how its list is read,
//! and what was read of an object before.

mod list;
mod name;
mod seen;

pub use list::{ListedObject, ObjectListing, ObjectPage};
pub use name::{BucketName, BucketParts};
pub use seen::{keep, seen};
