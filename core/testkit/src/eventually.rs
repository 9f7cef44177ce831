//! Waiting for a condition with a deadline: the only place of the tests that sleeps.

use std::time::Duration;

use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Returns once `condition` holds.
///
/// # Panics
/// It did not within `limit`; the caller's place is named.
#[track_caller]
pub fn eventually(limit: Duration, condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    wait(limit, condition, place)
}

async fn wait(
    limit: Duration,
    mut condition: impl FnMut() -> bool,
    place: &'static std::panic::Location<'static>,
) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{place}: the condition did not come true within {limit:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_true_is_waited_for() {
        let mut looks = 0;
        let counted = || {
            looks += 1;
            looks == 3
        };
        eventually(Duration::from_secs(5), counted).await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "did not come true")]
    async fn what_never_comes_true_fails() {
        eventually(Duration::from_millis(10), || false).await;
    }
}
