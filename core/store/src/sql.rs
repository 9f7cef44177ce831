//! SQL that every store says alike: names, conditions, places in an order.

use smiles_stage::{BoundSide, Comparison};

/// An identifier that stays one, whatever it holds.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names, quoted and joined by commas.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// How a column is compared.
pub fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
    }
}

/// All of these conditions; nothing where there is none.
pub fn wherever(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

/// A column of the order, as it is compared with its value at a place in that order.
pub struct Step {
    /// The column.
    pub cell: String,
    /// Whether the order goes from the largest to the smallest.
    pub descending: bool,
    /// The parameter with the value.
    pub parameter: String,
}

/// One side of a place in the order, as a condition. Columns are compared one after the other, each but the last only
/// where those before it are equal. The first is compared on its own as well, which is what an index can search by.
pub fn edge(side: BoundSide, steps: &[Step]) -> String {
    let beyond = |step: &Step| if step.descending != (side == BoundSide::UpTo) { "<" } else { ">" };
    let at_place = if side == BoundSide::After { "" } else { "=" };
    let mut condition = String::new();
    for step @ Step { cell, parameter, .. } in steps.iter().rev() {
        let beyond = beyond(step);
        condition = if condition.is_empty() {
            format!("{cell} {beyond}{at_place} {parameter}")
        } else {
            format!("({cell} {beyond} {parameter} OR ({cell} = {parameter} AND {condition}))")
        };
    }
    if let [first, rest @ ..] = steps
        && !rest.is_empty()
    {
        let (Step { cell, parameter, .. }, beyond) = (first, beyond(first));
        let nulls: String = rest.iter().map(|step| format!(" AND {} IS NOT NULL", step.cell)).collect();
        condition = format!("{cell} {beyond}= {parameter} AND {condition}{nulls}");
    }
    condition
}
