//! People and what they prove themselves with: passwords, sessions, API keys, and the host's one-use token.

mod common;
mod first;
mod keys;
mod passwords;
mod role;
mod secret;
mod sessions;
mod throttle;
mod users;

pub use first::make_administrator;
pub use keys::{Key, NewKey, Scope, keys, make_key, open_key, remove_key};
pub use passwords::{Hasher, LEAST_CHARACTERS};
pub use role::Role;
pub use secret::Secret;
pub use sessions::{
    Session, all_sessions, begin_session, end_own_session, end_session, end_sessions_but, find_session, sessions_of,
};
pub use throttle::Throttle;
pub use users::{
    User, any_user, change_own_password, create_user, remove_user, set_password, set_role, sign_in, users,
};

#[cfg(test)]
mod tests;
