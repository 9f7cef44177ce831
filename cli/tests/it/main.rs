//! The binary, driven from outside as its users drive it.

mod bridge;
mod check;
mod command_line;
mod crash;
mod damage;
mod docker;
mod end_to_end;
mod faults;
mod sequence;
mod structure;
