//! The vendor's side, through the program, with the real starter release: what the bundle is to other people's tools,
//! how pulls go on, what is refused, and what every command costs.

mod vendor {
    mod fat32;
    mod formats;
    mod outcome;
    mod sparse;
    mod starter;
    mod tools;
}
