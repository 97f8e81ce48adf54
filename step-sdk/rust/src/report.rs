//! Owns what a step tells while a call is under way.
//! Never keeps a sum: the host adds up.

/// Says how far the call has come, out of `total` where that is known. Shown while somebody watches;
/// it also resets the manifest's `idle_timeout`.
///
/// ```
/// piton_step::progress(3, 10, "pages read");
/// piton_step::progress(3, None, "pages read");
/// ```
pub fn progress(done: u64, total: impl Into<Option<u64>>, message: &str) {
    crate::host::progress(done, total.into(), message);
}

/// Books what this call costs, in millionths of `unit`, however the attempt ends.
///
/// ```
/// piton_step::usage("usd", 50_000); // five cents
/// ```
pub fn usage(unit: &str, micros: u64) {
    crate::host::usage(unit, micros);
}
