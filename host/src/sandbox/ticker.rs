//! Moves the engine's epoch on, so that a guest that only computes is asked to give way.
//! One thread, and only while a call is under way; never ends a call itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use wasmtime::Engine;

/// How long a guest may compute before it has to let others run.
const TICK: Duration = Duration::from_millis(10);

/// The thread that ticks. It ends with this value.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    under_way: AtomicUsize,
    stop: AtomicBool,
}

/// One call under way: the epoch moves while any of these lives.
pub(super) struct Ticking<'a>(&'a Ticker);

impl Ticker {
    /// Starts the thread, which waits until there is a call.
    pub(super) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { under_way: AtomicUsize::new(0), stop: AtomicBool::new(false) });
        let thread = thread::Builder::new().name("piton-epoch".into()).spawn({
            let shared = shared.clone();
            move || shared.run(&engine)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Lets the epoch move for as long as the returned value lives.
    pub(super) fn tick(&self) -> Ticking<'_> {
        if self.shared.under_way.fetch_add(1, Ordering::SeqCst) == 0 {
            self.unpark();
        }
        Ticking(self)
    }

    fn unpark(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Shared {
    fn run(&self, engine: &Engine) {
        while !self.stop.load(Ordering::SeqCst) {
            // An unpark between the look and the park is kept, so that none is missed.
            if self.under_way.load(Ordering::SeqCst) == 0 {
                thread::park();
            } else {
                thread::sleep(TICK);
                engine.increment_epoch();
            }
        }
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.shared.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.unpark();
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and if it did, there would be nothing left to do about it.
            let _ = thread.join();
        }
    }
}
