//! How a target is brought to its newest form, and what that takes.

use std::time::Duration;

/// How a target is to be migrated.
#[derive(Clone, Debug, Default)]
pub struct Migrate {
    /// Only say what would be done.
    pub dry_run: bool,
    /// The time zone of instants that were stored without one, in place of what the options say.
    pub timezone: Option<String>,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Which target, for people.
    pub target: String,
    /// The migrations that were not applied yet, in order.
    pub steps: Vec<MigrationStep>,
    /// The time zone in which instants that were stored without one are read.
    pub timezone: Option<String>,
    /// Bytes free where the target keeps its files, if it says so.
    pub free_bytes: Option<u64>,
}

/// One migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationStep {
    /// The file's name.
    pub name: String,
    /// Tables that are there already and are written anew as a whole (`-- rewrites: a, b` in the file).
    pub rewrites: Vec<RewrittenTable>,
}

/// A table that is written anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RewrittenTable {
    /// Its name.
    pub name: String,
    /// About how many rows it has, if the target has counted them lately.
    pub rows: Option<u64>,
    /// Bytes on disk, with indexes; while it is written anew it needs as much again.
    pub bytes: u64,
}

impl Migrated {
    /// How long writing so much anew takes on an ordinary disk: at best, and on the card of a small computer.
    pub fn expected(&self) -> (Duration, Duration) {
        let at = |bytes_per_second: u64| Duration::from_secs(1 + self.bytes() / bytes_per_second);
        (at(100_000_000), at(8_000_000))
    }

    /// Bytes that are written anew, and that must be free meanwhile.
    pub fn bytes(&self) -> u64 {
        self.steps.iter().flat_map(|step| &step.rewrites).map(|table| table.bytes).sum()
    }
}
