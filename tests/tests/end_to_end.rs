//! End-to-end tests of a site from its first command to its last: real software, from a real bundle, on machines that
//! lose power.
//!
//! The parts of `cargo xtask test` with sites run them. Measurements are printed on standard error. `LANDFALL_SEED`, a
//! number, selects instants and damaged bytes other than the default ones.
//!
//! Sites run in two lanes, in the order of their names. So names of the longest tests begin early in the alphabet: a
//! long test at the end would run while the other lane is idle.

mod end_to_end {
    mod administration;
    mod another_release;
    mod backups;
    mod ballast;
    mod bound_license;
    mod browser;
    mod bucket;
    mod busy_log;
    mod certificates;
    mod changed_site;
    mod cluster_backup;
    mod comparison;
    mod configure;
    mod console;
    mod cut;
    mod cut_upgrades;
    mod damage;
    mod delta;
    mod differences;
    mod drill_network;
    mod drills;
    mod dump;
    mod engineer;
    mod failing_proofs;
    mod faults;
    mod figures;
    mod firewall;
    mod fixture;
    mod flips;
    mod full_disk;
    mod gpu_devices;
    mod guide;
    mod handbook;
    mod help;
    mod helper_pods;
    mod host_pack;
    mod install;
    mod installed;
    mod iptables;
    mod journal;
    mod kept_data;
    mod large;
    mod large_release;
    mod later_program;
    mod later_releases;
    mod license_check;
    mod memory;
    mod node_upgrade;
    mod one_time;
    mod power_cut;
    mod process;
    mod refusals;
    mod restores;
    mod rights;
    mod roots;
    mod runbooks;
    mod saved_data;
    mod secret_pages;
    mod secrets;
    mod single_faults;
    mod site_configuration;
    mod site_secrets;
    mod spoiled;
    mod support_bundle;
    mod taken_over;
    mod terminal;
    mod timer;
    mod two_programs;
    mod uninstall;
    mod units;
}
