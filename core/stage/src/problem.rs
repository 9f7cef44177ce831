//! A complaint about a configuration, by its path in the file; the loader adds file, line and column.

use std::fmt;

/// One step from a node of the file to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A key of a map.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// From a stage's options down to the value in question; empty: the options as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Segment>);

/// Whether a problem stops the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the pipeline runs.
    Warning,
    /// The pipeline must not run.
    Error,
}

/// What is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, within the options of the stage that complains.
    pub at: Path,
    /// Whether it stops the pipeline.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// All complaints of one step; never empty where it stands for failure.
pub type Problems = Vec<Problem>;

impl Path {
    /// The options as a whole.
    pub fn root() -> Self {
        Self::default()
    }

    /// This path, one key deeper.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.child(Segment::Key(key.into()))
    }

    /// This path, one list item deeper.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.child(Segment::Index(index))
    }

    fn child(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if depth == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Problem {
    /// An error at `at`.
    pub fn error(at: Path, message: impl Into<String>) -> Self {
        Self { at, severity: Severity::Error, message: message.into(), help: None }
    }

    /// A warning at `at`.
    pub fn warning(at: Path, message: impl Into<String>) -> Self {
        Self { at, severity: Severity::Warning, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with "did you mean" where one of `known` is close to `word`, else the list of what is known.
    #[must_use]
    pub fn suggest<'a>(mut self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.help = did_you_mean(word, known);
        self
    }
}

/// Longer words are nobody's slip, and comparing two takes the product of their lengths.
const LONGEST_WORD: usize = 128;
/// More names than this are no help.
const MOST_NAMED: usize = 40;

/// A sentence that names the closest of `known`, or all of them; `None` where nothing is known.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let closest = known
        .iter()
        .filter(|name| {
            let (short, long) = (word.len().min(name.len()), word.len().max(name.len()));
            long <= LONGEST_WORD && long - short <= 1 + long / 4
        })
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + word.len().max(name.len()) / 4)
        .min_by_key(|(distance, _)| *distance);
    match closest {
        Some((_, name)) => Some(format!("did you mean `{name}`?")),
        None if known.is_empty() => None,
        None if known.len() > MOST_NAMED => {
            let (named, more) = (&known[..MOST_NAMED], known.len() - MOST_NAMED);
            Some(format!("known here: {} and {more} more", named.join(", ")))
        }
        None => Some(format!("known here: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_a_reference() {
        let path = Path::root().key("tables").key("port_data").index(2).key("unit");
        assert_eq!(path.to_string(), "tables.port_data[2].unit");
    }

    #[test]
    fn suggestions_name_the_close_or_list_the_known() {
        let known = ["address", "unit_id", "device"];
        assert_eq!(did_you_mean("adress", known).unwrap(), "did you mean `address`?");
        assert_eq!(did_you_mean("zzz", known).unwrap(), "known here: address, unit_id, device");
        assert_eq!(did_you_mean("zzz", []), None);
    }
}
