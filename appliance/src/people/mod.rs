//! People and their credentials: passwords, sessions, API keys, and the host's one-use token.

mod failures;
mod first;
mod keys;
mod sessions;
mod sign_in;
mod source;
mod told;
mod users;
mod vouched;

pub use crate::credentials::{LEAST_CHARACTERS, MOST_BYTES, Secret};
pub use crate::role::Role;
pub use failures::{record_failure, record_hours, record_rest};
pub use first::make_administrator;
pub use keys::{Key, NewKey, Scope, has_key, keys, make_key, open_key, remove_key};
pub use sessions::{
    PROOF, Session, all_sessions, begin_session, end_own_session, end_session, end_sessions_but, find_session,
    has_session, prove_session, sessions_of,
};
pub use sign_in::{ProvenUser, change_own_password, prove_again, sign_in};
pub use source::Source;
pub use told::keep_told;
pub use users::{
    DisablingOrigin, User, UserChange, any_user, change_user, create_user, remove_user, set_disabled, set_password,
    set_role, user, users,
};
pub use vouched::{Person, admit};

#[cfg(test)]
mod tests;
