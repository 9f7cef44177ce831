//! What is kept, and what earlier versions kept.

use super::*;

#[test]
fn what_is_usual_is_left_out() {
    let whole = r#"{"period": "2026-05-31T23:00:00Z", "sum": 5.0, "last": 7.0, "total": null,
        "at": "2026-06-01T12:00:00Z", "heard_at": "2026-06-01T12:00:00Z", "heard": true, "mirror": false,
        "candidate": null, "after_silence": false, "behind_since": null}"#;
    let day: DayState = serde_json::from_str(whole).unwrap();
    let short = serde_json::to_string(&day).unwrap();
    assert!(short.len() < 160 && !short.contains("null") && !short.contains("false"), "{short}");
    assert_eq!(serde_json::from_str::<DayState>(&short).unwrap(), day);
}

/// The very bytes that version 3.0.0 keeps: an ordinary day, and a first one while a fall after a silence is held.
const KEPT_BY_3_0_0: [&str; 2] = [
    r#"{"period":"2026-05-31T23:00:00Z","sum":3010.0,"last":5010.0,"total":900010.0,"at":"2026-06-01T12:01:00Z","heard_at":"2026-06-01T12:01:00Z","heard":true}"#,
    r#"{"period":"2026-06-01T23:00:00Z","sum":12000.0,"last":12000.0,"total":900000.0,"at":"2026-06-01T23:30:00Z","heard_at":"2026-06-02T06:33:00Z","heard":true,"mirror":true,"candidate":{"first":2.0,"last":8.0,"since":"2026-06-02T06:30:00Z","at":"2026-06-02T06:33:00Z","count":4},"after_silence":true}"#,
];

#[test]
fn what_version_3_0_0_kept_is_understood_and_goes_on() {
    let [mut ordinary, mut first] = KEPT_BY_3_0_0.map(|kept| serde_json::from_str::<DayState>(kept).unwrap());
    assert_eq!(
        serde_json::to_string(&ordinary).unwrap(),
        KEPT_BY_3_0_0[0],
        "and an earlier version reads ours"
    );
    let mut periods = Periods::new(TimeZone::UTC, 23);
    let mut next = |day: &mut DayState, at: &str, today: f64| {
        let reading = Reading { time: time(at), today: Some(today), total: Some(900_020.0) };
        (day.count(periods.around(reading.time).unwrap().0, &reading, limits()), day.sum())
    };
    assert_eq!(next(&mut ordinary, "0 12:02", 5020.0), (DayEvent::None, 3020.0));
    assert_eq!(next(&mut first, "1 06:34", 10.0), (DayEvent::Fall, 10.0));
}
