//! Owns how this process gives memory back to the system.
//! Never allocates any, and changes nothing where the C library is not glibc.

use std::time::Duration;

/// What is larger goes back as soon as it is free, in bytes. Without a word, glibc takes the largest
/// block that was ever freed for this, up to 32 MiB: outputs, memos and bodies of strangers would then lie
/// between what lives longer, and the process would stay as large as all of them together.
#[cfg(target_env = "gnu")]
const GIVEN_BACK_BYTES: i32 = 256 << 10;

/// Free memory at the end of a heap that is kept, in bytes.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: i32 = 1 << 20;

/// By how much a heap grows at least, in bytes: a page at a time, each costs a call of the system.
#[cfg(target_env = "gnu")]
const GROWS_BY_BYTES: i32 = 256 << 10;

/// How long a thread for blocking work stays without any: a rush leaves hundreds, each with a stack.
pub(super) const THREADS_KEPT: Duration = Duration::from_millis(500);

/// Has memory that is free given back. Call it before there are threads.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a call of the C library")]
pub(super) fn give_back() {
    use std::ffi::c_int;

    const M_TRIM_THRESHOLD: c_int = -1;
    const M_TOP_PAD: c_int = -2;
    const M_MMAP_THRESHOLD: c_int = -3;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // SAFETY: it takes two numbers by value, and there is no other thread yet. Where it refuses them,
    // all stays as it was.
    unsafe {
        mallopt(M_MMAP_THRESHOLD, GIVEN_BACK_BYTES);
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
        mallopt(M_TOP_PAD, GROWS_BY_BYTES);
    }
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
