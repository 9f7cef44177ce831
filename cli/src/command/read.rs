//! `smiles read`: what a device says now, without a store and without a journal.

mod arguments;
mod fields;
mod registers;

use std::path::Path;

use smiles_config::Environment;

use crate::command::console::print;
use crate::command::one_off::block_on_until_signal;
use crate::exit::Failure;
use crate::logging;

pub(crate) use arguments::ReadArgs;

pub(crate) fn run(args: &ReadArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    logging::start(&environment)?;
    let what = args.what.as_str();
    let text = if what.contains("://") {
        block_on_until_signal(registers::read(what, args))?
    } else if args.registers.is_some() {
        let message =
            format!("`{what}` is no address such as `tcp://192.168.1.50`; of a file all fields are read");
        return Err(Failure::configuration(message));
    } else {
        let sources = fields::sources(Path::new(what), args, &environment)?;
        block_on_until_signal(fields::read(sources))?
    };
    print(&text)
}
