//! The HTTP API of the running binary, asked as its clients ask.

mod client;
mod events;
mod guard;
mod history;
mod judges;
mod kept;
mod load;
pub(crate) mod plant;
mod stores;
mod totals;
mod view;
