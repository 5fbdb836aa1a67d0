//! The vendor's side, through the program, with the real starter release. Tests cover compatibility of the bundle with
//! third-party tools, resumed pulls, refusals, and the cost of every command.

mod vendor {
    use landfall_xtask::{outcome, wheel_index};

    mod applied_charts;
    mod bad_releases;
    mod byte_counters;
    mod charts;
    mod command_line;
    mod credentials;
    mod examples;
    mod fat32;
    mod fetching;
    mod files;
    mod formats;
    mod found_images;
    mod full_disk;
    mod hostile_stick;
    mod hostile_upstreams;
    mod init;
    mod materials;
    mod model_archives;
    mod model_buckets;
    mod models;
    mod newer_bundle;
    mod ollama;
    mod point_releases;
    mod provenance;
    mod reproducible;
    mod rotations;
    mod signatures;
    mod signers;
    mod silence;
    mod sparse;
    mod starter;
    mod tls;
    mod tools;
    mod trust;
    mod updates;
    mod upstreams;
}
