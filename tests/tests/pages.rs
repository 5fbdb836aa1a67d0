//! The console in a real browser: headless Chromium, driven as by a user, with the program itself over TLS. The host is
//! the real server of the host's API over a simulated site, whose documents are valid by the schemas. The pages that
//! `landfall` writes for e-mail are opened from their files.
//!
//! Part "pages" of `cargo xtask test` runs them. Screenshots are stored in `target/pages`.

mod pages {
    mod activity;
    mod api;
    mod appearance;
    mod backups;
    mod browser;
    mod console;
    mod dashboard;
    mod dex;
    mod directory;
    mod documents;
    mod gpus;
    mod handbook;
    mod host;
    mod ingress;
    mod judge;
    mod keyboard;
    mod kills;
    mod load;
    mod nginx;
    mod palette;
    mod people;
    mod program;
    mod reports;
    mod resources;
    mod restore;
    mod servers;
    mod settings;
    mod sign_in;
    mod silence;
    mod slapd;
    mod support;
    mod upgrade;
    mod upload;
}
