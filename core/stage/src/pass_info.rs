//! What the runtime knows of the pass that rows came from, beside the rows.

use jiff::Timestamp;

/// Handed to every transform with the rows of a pass ([`crate::Transform::apply`]).
///
/// Made by [`PassInfo::new`] (and `..`), so that more can be said of a pass without a change wherever one is made.
#[derive(Clone, Debug, PartialEq)]
pub struct PassInfo {
    /// The name of the source that was asked.
    pub source: String,
    /// When the pass began.
    pub began: Timestamp,
    /// Whether the clock that dated it can be right.
    pub dated: bool,
    /// Whether every record was reached ([`crate::Pass::complete`]); so without rows too.
    pub complete: bool,
    /// Every enabled source of the pipeline as it is now, this pass counted, in the order of the file.
    pub sources: Vec<SourcePasses>,
}

/// How the passes of one source have gone so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePasses {
    /// Its name.
    pub name: String,
    /// Whether it can be reached: its last pass did not fail. One that was not asked yet may be reachable.
    pub reachable: bool,
    /// Whether it has made a complete pass since the process first asked it.
    pub complete: bool,
}

impl PassInfo {
    /// Of the only source of a pipeline.
    pub fn new(source: &str, began: Timestamp, complete: bool) -> Self {
        let sources = vec![SourcePasses { name: source.to_owned(), reachable: true, complete }];
        Self { source: source.to_owned(), began, dated: true, complete, sources }
    }

    /// Whether every source that can be reached has made a complete pass.
    pub fn all_complete(&self) -> bool {
        self.sources.iter().all(|source| source.complete || !source.reachable)
            && self.sources.iter().any(|source| source.complete)
    }
}
