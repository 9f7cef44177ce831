//! `2000 Wh/h`: how fast a counter can possibly grow.

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::unit::Unit;
use smiles_stage::{Path, Problem};

/// A step that takes less than this may be as large as one that takes this long: polls are not evenly spaced.
const SHORTEST_SECONDS: f64 = 180.0;

/// Text of an option: a quantity per time, `2000 Wh/h`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(description = "A quantity per time, such as `2000 Wh/h`.")]
pub(crate) struct RateText(String);

/// The limit in the unit of its column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: f64,
    /// One step of the column, which is always possible: a counter in whole kilowatt-hours knows no smaller one.
    one_step: f64,
}

impl RateText {
    /// The rate in the column's unit; a column without a unit counts in plain numbers (`2000 1/h`).
    pub(crate) fn resolve(&self, column: Option<&Unit>, at: &Path) -> Result<Rate, Problem> {
        let problem = |message: String| {
            Problem::error(at.clone(), message).help("write a number, a unit and a time, such as `2000 Wh/h`")
        };
        let (amount, time) =
            self.0.rsplit_once('/').ok_or_else(|| problem(format!("`{}` is not a rate", self.0)))?;
        let unit = |text: &str| Unit::beside(text, column).map_err(|error| problem(error.to_string()));
        let (amount, time) = (unit(amount)?, unit(time)?);
        let column = column.cloned().map_or_else(|| unit("1"), Ok)?;
        let step = amount
            .to(&column)
            .ok_or_else(|| problem(format!("`{}` cannot limit a column in `{column}`", self.0)))?;
        let seconds = time.to(&unit("s")?).ok_or_else(|| problem(format!("`{time}` is not a time")))?;
        Ok(Rate { per_second: step.apply(1.0) / seconds.apply(1.0), one_step: 0.0 })
    }
}

impl Rate {
    /// The limit of a counter that goes in steps of this.
    pub(crate) fn in_steps_of(self, one_step: f64) -> Self {
        Self { one_step, ..self }
    }

    /// Whether a counter can have risen by `step` in `seconds`.
    pub(crate) fn allows(self, step: f64, seconds: f64) -> bool {
        step <= (self.per_second * seconds.max(SHORTEST_SECONDS)).max(self.one_step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str, unit: Option<&str>) -> Result<Rate, Problem> {
        let unit = unit.map(|unit| Unit::declared(unit, &["widget"]).unwrap());
        RateText(text.to_owned()).resolve(unit.as_ref(), &Path::root())
    }

    #[test]
    fn a_rate_is_in_the_unit_of_its_column() {
        let energy = rate("2 kWh/h", Some("Wh")).unwrap();
        assert!(energy.allows(2000.0, 3600.0) && !energy.allows(2001.0, 3600.0));
        assert!(
            energy.allows(100.0, 0.0) && !energy.allows(100.5, 60.0),
            "three minutes' worth is always possible"
        );
        assert!(rate("10 1/min", None).unwrap().allows(10.0, 60.0));
        assert!(rate("10 widget/min", Some("0.1 widget")).unwrap().allows(300.0, 60.0));
        let coarse = energy.in_steps_of(1000.0);
        assert!(coarse.allows(1000.0, 0.0) && !coarse.allows(1001.0, 60.0), "one step is always possible");
    }

    #[test]
    fn what_is_no_rate_is_named() {
        for (text, unit, said) in [
            ("2000", Some("Wh"), "`2000` is not a rate"),
            ("2000 Wx/h", Some("Wh"), "unknown unit `Wx`"),
            ("2000 V/h", Some("Wh"), "cannot limit a column in `Wh`"),
            ("2000 Wh/V", Some("Wh"), "`V` is not a time"),
        ] {
            let problem = rate(text, unit).unwrap_err();
            assert!(problem.message.contains(said), "{text}: {}", problem.message);
        }
    }
}
