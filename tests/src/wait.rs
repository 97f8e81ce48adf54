//! Waits for something to come to hold, with a limit that only a hang reaches.
//! Never asserts how long it took.

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `holds`; false where it never did.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    eventually_some(|| holds().then_some(())).is_some()
}

/// Waits until there is something; none where there never was.
pub fn eventually_some<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}
