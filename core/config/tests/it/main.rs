//! Pipeline files in, declarations and rendered diagnostics out.

mod broken;
mod good;
mod never_panics;
mod plugins;
mod secrets;
mod stages;
