//! Codes of usage and bugs.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF90: usage and bugs.
    PASSWORD = "LF9002", Usage, "The password of a private key is missing or wrong", "Set LANDFALL_KEY_PASSWORD or \
        COSIGN_PASSWORD, or run the command at a terminal.";
    BAD_ARGUMENT = "LF9003", Usage, "An argument cannot be used", "See the command's --help.";
    BUG = "LF9001", Bug, "Landfall reached a state that should be impossible", "Please report this with the message \
        and the log.";
}
