//! What came out of the cases, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::compare::Difference;
use crate::run::Outcome;

/// More differences of one case than this scroll the first ones away.
const MOST: usize = 20;

/// What came out of the cases of one file, for people; `shown` is what they call it.
pub fn text(shown: &str, outcomes: &[Outcome]) -> String {
    let mut text = format!("{shown}\n");
    for outcome in outcomes {
        if outcome.passed() {
            text.push_str(&format!("  ok      {}\n", outcome.name));
            continue;
        }
        let line = outcome.line.map_or(String::new(), |line| format!(" ({shown}:{line})"));
        text.push_str(&format!("  FAILED  {}{line}\n", outcome.name));
        for error in &outcome.errors {
            text.push_str(&format!("          {error}\n"));
        }
        differences(&mut text, shown, &outcome.differences);
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    text.push_str(&format!("{} passed, {failed} failed\n", outcomes.len() - failed));
    text
}

/// Aligned: where, what was expected, what came.
fn differences(text: &mut String, shown: &str, differences: &[Difference]) {
    for one in differences.iter().take(MOST) {
        let Difference { line, stage, row, time, column, expected, got, .. } = one;
        text.push_str(&format!("          {stage}"));
        if let Some(row) = row {
            text.push_str(&format!(", row {row}"));
        }
        if let Some(time) = time {
            text.push_str(&format!(" of {time}"));
        }
        if let Some(column) = column {
            text.push_str(&format!(", {column}"));
        }
        text.push_str(&format!("\n            expected  {expected}"));
        if let Some(line) = line {
            // Writing to a text cannot fail.
            let _ = write!(text, "    ({shown}:{line})");
        }
        text.push_str(&format!("\n            got       {got}\n"));
    }
    if differences.len() > MOST {
        text.push_str(&format!("          and {} more\n", differences.len() - MOST));
    }
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Case<'a> {
    name: &'a str,
    line: Option<usize>,
    passed: bool,
    errors: &'a [String],
    differences: &'a [Difference],
}

/// What came out of the cases of all files as JSON, for programs.
///
/// # Errors
/// None that is known: everything in it can be written.
pub fn json(files: &[(String, Vec<Outcome>)]) -> Result<String, serde_json::Error> {
    fn case(outcome: &Outcome) -> Case<'_> {
        let Outcome { name, line, errors, differences } = outcome;
        Case { name, line: *line, passed: outcome.passed(), errors, differences }
    }
    let files: Vec<File<'_>> = files
        .iter()
        .map(|(file, outcomes)| File { file, cases: outcomes.iter().map(case).collect() })
        .collect();
    serde_json::to_string_pretty(&files).map(|text| text + "\n")
}
