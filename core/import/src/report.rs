//! What was taken over, and what was mended on the way.

use std::fmt;

use jiff::tz::TimeZone;

use crate::convert::Clock;

/// Refusals that are spelled out.
const NAMED: usize = 5;

/// What became of a table's rows.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Rows of the table.
    pub(crate) total: u64,
    /// Of those read this time; the others were imported before.
    pub(crate) read: u64,
    pub(crate) written: u64,
    /// Left out: they said again what the row before said.
    pub(crate) repeated: u64,
    /// Rows whose values became null.
    pub(crate) not_heard: u64,
    /// Rows that the target refuses for good, and why.
    pub(crate) refused: Vec<String>,
    /// Rows that the target took and did not keep.
    pub(crate) swallowed: u64,
}

/// What became of all tables; `Display` is for people, several lines.
#[derive(Debug)]
pub struct Report {
    source: String,
    zone: String,
    dry_run: bool,
    clock: Clock,
    tables: Vec<(String, Taken)>,
}

impl Report {
    pub(crate) fn new(source: &str, zone: &TimeZone, dry_run: bool) -> Self {
        let zone = zone.iana_name().unwrap_or("UTC").to_owned();
        Self { source: source.to_owned(), zone, dry_run, clock: Clock::default(), tables: Vec::new() }
    }

    pub(crate) fn clock(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// Rows that were read and are not in the target, although nothing is wrong with their like.
    pub fn left_out(&self) -> u64 {
        self.tables.iter().map(|(_, taken)| taken.refused.len() as u64 + taken.swallowed).sum()
    }

    pub(crate) fn add(&mut self, table: &str, taken: Taken) {
        self.tables.push((table.to_owned(), taken));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = if self.dry_run { "would import" } else { "imported" };
        writeln!(f, "{doing} from {}", self.source)?;
        for (table, taken) in &self.tables {
            write!(f, "  {table}: {} rows", taken.written)?;
            let before = taken.total.saturating_sub(taken.read);
            if before > 0 {
                write!(f, ", {before} were here already")?;
            }
            writeln!(f)?;
            if taken.repeated > 0 {
                writeln!(f, "    {} left out: they repeat the row before", taken.repeated)?;
            }
            if taken.not_heard > 0 {
                writeln!(f, "    {} without a reading: their zeros became null", taken.not_heard)?;
            }
            if !taken.refused.is_empty() {
                writeln!(f, "    {} refused by the target", taken.refused.len())?;
                for reason in taken.refused.iter().take(NAMED) {
                    writeln!(f, "      {reason}")?;
                }
            }
            if taken.swallowed > 0 {
                writeln!(
                    f,
                    "    {} not kept: a trigger or rule of the database leaves them out",
                    taken.swallowed
                )?;
            }
        }
        let Clock { naive, twice, skipped } = self.clock;
        if naive > 0 {
            writeln!(
                f,
                "  {naive} instants without a time zone were read as {} (--timezone says otherwise)",
                self.zone
            )?;
        }
        if twice > 0 {
            writeln!(f, "    {twice} of an hour that the clock showed twice: the second is meant")?;
        }
        if skipped > 0 {
            writeln!(f, "    {skipped} of an hour that the clock skipped")?;
        }
        Ok(())
    }
}
