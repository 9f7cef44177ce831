//! The sky over the plant: where the sun stands, what clouds leave of it, how warm it is. A pure function of time.

use std::f64::consts::TAU;

use crate::noise::smooth;

const DAY_S: f64 = 86_400.0;
const YEAR_D: f64 = 365.2425;
/// Tilt of the earth's axis in radians.
const TILT: f64 = 0.409_280;
/// What reaches a panel under a clear sky with the sun overhead, in W/m².
const CLEAR_MAX: f64 = 1050.0;

const OVERCAST: u64 = 101;
const CLOUDS: u64 = 102;
const WISPS: u64 = 103;

/// Where the plant stands, in degrees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) seed: u64,
}

/// The sky of one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sky {
    /// Irradiance without clouds, W/m²; 0 at night. Devices wake and sleep by it.
    pub(crate) clear: f64,
    /// Irradiance, W/m².
    pub(crate) irradiance: f64,
    /// Air temperature, °C.
    pub(crate) ambient: f64,
}

impl Site {
    /// The sky at this time, in seconds since 1970 (UTC).
    pub(crate) fn sky(&self, unix: f64) -> Sky {
        let days = unix / DAY_S;
        let season = (days % YEAR_D) / YEAR_D * TAU;
        let solar_day = (days + self.longitude / 360.0).rem_euclid(1.0) * TAU;
        // Winter solstice ten days before the year begins.
        let declination = -TILT * (season + 10.0 / YEAR_D * TAU).cos();
        let latitude = self.latitude.to_radians();
        let height =
            latitude.sin() * declination.sin() - latitude.cos() * declination.cos() * solar_day.cos();
        // The coldest day is in the middle of January, the warmest hour in mid-afternoon.
        let ambient = 10.0 - 10.0 * (season - 0.26).cos() - 4.0 * (solar_day - 0.6).cos();
        if height <= 0.0 {
            return Sky { clear: 0.0, irradiance: 0.0, ambient };
        }
        let clear = CLEAR_MAX * height.powf(1.2);
        Sky { clear, irradiance: clear * self.clearness(unix), ambient }
    }

    /// What clouds leave of the light, above 0 to 1: fair and foul days, drifting clouds, their ragged edges.
    fn clearness(&self, unix: f64) -> f64 {
        let overcast = smooth(self.seed, OVERCAST, unix / DAY_S);
        let clouds = smooth(self.seed, CLOUDS, unix / 2400.0);
        let wisps = smooth(self.seed, WISPS, unix / 420.0);
        let cover = (0.9 * overcast + 0.5 * clouds - 0.4).clamp(0.0, 1.0);
        1.0 - cover * (0.5 + 0.35 * wisps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> f64 {
        text.parse::<jiff::Timestamp>().unwrap().as_second() as f64
    }

    #[test]
    fn the_sun_knows_hours_and_seasons() {
        let site = Site { latitude: 50.0, longitude: 10.0, seed: 1 };
        let rows = [
            ("2026-06-21T11:20:00Z", 850.0..1050.0),
            ("2026-12-21T11:20:00Z", 150.0..300.0),
            ("2026-06-21T23:20:00Z", 0.0..0.001),
            ("2026-12-21T17:00:00Z", 0.0..0.001),
            ("2026-06-21T17:00:00Z", 150.0..500.0),
        ];
        for (time, expected) in rows {
            let sky = site.sky(unix(time));
            assert!(expected.contains(&sky.clear), "{time}: {} W/m²", sky.clear);
            assert!(sky.irradiance <= sky.clear, "{time}: clouds only take");
            assert!(sky.clear == 0.0 || sky.irradiance > 0.0, "{time}: never quite dark by day");
        }
        let south = Site { latitude: -34.0, ..site };
        assert!(south.sky(unix("2026-12-21T11:20:00Z")).clear > 900.0, "summer in December");
    }

    #[test]
    fn summers_are_warm_and_afternoons_warmer() {
        let site = Site { latitude: 50.0, longitude: 0.0, seed: 1 };
        let ambient = |time| site.sky(unix(time)).ambient;
        assert!(ambient("2026-07-15T14:00:00Z") > ambient("2026-01-15T14:00:00Z") + 15.0);
        assert!(ambient("2026-07-15T14:00:00Z") > ambient("2026-07-15T03:00:00Z") + 5.0);
    }
}
