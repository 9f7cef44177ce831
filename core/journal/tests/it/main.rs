//! The journal as its callers see it: restarts, crashes, damage, rolled-back files, full disks.

mod full;
mod place;
mod rules;
mod writing;
