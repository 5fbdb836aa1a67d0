//! `landfall carry`: exchanges data between a site and its vendor on a stick.

mod delta;
mod incoming;
mod outgoing;
mod read;

pub(crate) use delta::CarriedDelta;
pub(crate) use read::CarriedContent;

use crate::cli::CarryCommand;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs the subcommand.
pub(crate) fn run(command: &CarryCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        CarryCommand::Out(arguments) => outgoing::run(arguments, printer),
        CarryCommand::In(arguments) => incoming::run(arguments, printer),
        CarryCommand::Read(arguments) => read::run(arguments, printer),
        CarryCommand::Delta(arguments) => delta::run(arguments, printer),
    }
}
