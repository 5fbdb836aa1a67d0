//! People and what they prove themselves with: passwords, sessions, API keys, and the host's one-use token.

mod common;
mod failures;
mod first;
mod keys;
mod passwords;
mod role;
mod secret;
mod sessions;
mod sign_in;
mod throttle;
mod users;

pub use failures::Failures;
pub use first::make_administrator;
pub use keys::{Key, NewKey, Scope, keys, make_key, open_key, remove_key};
pub use passwords::{Hasher, LEAST_CHARACTERS};
pub use role::Role;
pub use secret::Secret;
pub use sessions::{
    Session, all_sessions, begin_session, end_own_session, end_session, end_sessions_but, find_session, sessions_of,
};
pub use sign_in::{Proven, change_own_password, sign_in};
pub use throttle::Throttle;
pub use users::{User, any_user, change_user, create_user, remove_user, set_password, set_role, users};

#[cfg(test)]
mod tests;
