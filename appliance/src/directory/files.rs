//! Names of the files of the settings.

/// Name of the settings file.
pub const SETTINGS: &str = "directory.yaml";
/// File of the certificate authorities for the identity provider.
pub const OIDC_AUTHORITY: &str = "oidc-authority.crt";
/// File with the console's own secret at the identity provider.
pub const OIDC_SECRET: &str = "oidc-client-secret";

/// File of the certificate authorities for the directory server.
pub const LDAP_AUTHORITY: &str = "ldap-authority.crt";
/// File with the password of the console's own account at the directory server.
pub const LDAP_PASSWORD: &str = "ldap-bind-password";

/// All files that are read.
pub const NAMES: [&str; 5] = [SETTINGS, OIDC_AUTHORITY, OIDC_SECRET, LDAP_AUTHORITY, LDAP_PASSWORD];
