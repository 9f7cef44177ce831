//! The journal as its callers see it: restarts, crashes, damage, rolled-back files, full disks.

mod damage;
mod full;
mod model;
mod place;
mod rules;
mod writing;
