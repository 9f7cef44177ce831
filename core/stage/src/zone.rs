//! Time zones by name, and what somebody may have meant who wrote a name that is none.

use jiff::tz::TimeZone;

use crate::{Path, Problem, did_you_mean};

/// The zone of an IANA name.
///
/// # Errors
/// There is none of that name: what is wrong at that option, and what to write.
pub fn time_zone(name: &str, at: Path) -> Result<TimeZone, Problem> {
    TimeZone::get(name).map_err(|_| {
        let help =
            meant(name).unwrap_or_else(|| "use an IANA name such as `Europe/Berlin` or `UTC`".to_owned());
        Problem::error(at, format!("unknown time zone `{name}`")).help(help)
    })
}

/// A city without its continent, or a slip of the pen.
fn meant(name: &str) -> Option<String> {
    let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
    let city = |zone: &&String| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
    if let Some(zone) = known.iter().find(city) {
        return Some(format!("did you mean `{zone}`?"));
    }
    did_you_mean(name, known.iter().map(String::as_str)).filter(|help| help.starts_with("did you"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_says_what_may_be_meant() {
        let time_zone = |name| time_zone(name, Path::root());
        assert!(time_zone("Europe/Berlin").is_ok() && time_zone("UTC").is_ok());
        for (name, help) in [
            ("Berlin", "did you mean `Europe/Berlin`?"),
            ("Europe/Berln", "did you mean `Europe/Berlin`?"),
            ("the moon", "use an IANA name such as `Europe/Berlin` or `UTC`"),
        ] {
            let problem = time_zone(name).unwrap_err();
            assert_eq!(problem.message, format!("unknown time zone `{name}`"));
            assert_eq!(problem.help.as_deref(), Some(help));
        }
    }
}
