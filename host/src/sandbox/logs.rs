//! Keeps what a guest says, line by line and within its limit: log calls, standard output and error.
//! What is too much is cut and counted. Never fails a guest for talking, and never prints.

use super::redact::Redactor;
use super::services::{Level, LogLine, Services, Source};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line that is kept whole.
const LINE_BYTES_MAX: usize = 16 << 10;
/// What each line costs besides its bytes, so that empty lines are not free.
const LINE_COST: u64 = 16;
/// How much of the last line on standard error goes into the message of a trap.
const LAST_WORDS_BYTES_MAX: usize = 300;
/// What a stream takes in one write.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Where all that one attempt says comes together.
pub(super) struct Logs {
    services: Arc<dyn Services>,
    redactor: Arc<Redactor>,
    state: Mutex<State>,
}

struct State {
    left: u64,
    cut: u64,
    out: Pending,
    error: Pending,
    last_words: String,
}

/// A line that has not ended yet.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// How much of it is cut already.
    cut: u64,
}

impl Logs {
    /// Allows `log_bytes` to all lines together.
    pub(super) fn new(
        services: Arc<dyn Services>,
        log_bytes: u64,
        redactor: Arc<Redactor>,
    ) -> Arc<Self> {
        let (out, error) = (Pending::default(), Pending::default());
        let state = State { left: log_bytes, cut: 0, out, error, last_words: String::new() };
        Arc::new(Self { services, redactor, state: Mutex::new(state) })
    }

    /// Keeps a line that the guest logged.
    pub(super) fn log(&self, level: Level, text: &str) {
        let text = self.redactor.text(text);
        self.keep(&mut self.lock(), level, Source::Log, &text);
    }

    /// Keeps a line of the host's own, which a guest that talks too much cannot crowd out: whoever
    /// writes these keeps them few.
    pub(super) fn host(&self, text: &str) {
        let text = self.redactor.text(text);
        let line = LogLine { level: Level::Info, source: Source::Host, text: &text };
        self.services.log(line);
    }

    /// Keeps what stands on both streams without a line's end.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        for source in [Source::Stdout, Source::Stderr] {
            self.end_line(&mut state, source);
        }
    }

    /// Bytes that were cut so far.
    pub(super) fn cut_bytes(&self) -> u64 {
        self.lock().cut
    }

    /// The last line on standard error that says something, for the message of a trap.
    pub(super) fn last_words(&self) -> String {
        self.lock().last_words.clone()
    }

    /// A panic of a neighbour leaves counts and bytes, which are right at any moment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, source: Source, bytes: &[u8]) {
        let mut state = self.lock();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        // What follows the last line's end is the next line's start.
        let rest = lines.next_back().unwrap_or_default();
        for line in lines {
            state.pending(source).extend(line);
            self.end_line(&mut state, source);
        }
        state.pending(source).extend(rest);
    }

    fn end_line(&self, state: &mut State, source: Source) {
        let Pending { bytes, cut } = std::mem::take(state.pending(source));
        state.cut = state.cut.saturating_add(cut);
        let text = String::from_utf8_lossy(&bytes);
        let text = if cut > 0 { self.redactor.cut_text(&text) } else { self.redactor.text(&text) };
        if source == Source::Stderr && says_something(&text) {
            shorten(&text, LAST_WORDS_BYTES_MAX).clone_into(&mut state.last_words);
        }
        if !bytes.is_empty() {
            self.keep(state, Level::Info, source, &text);
        }
    }

    fn keep(&self, state: &mut State, level: Level, source: Source, text: &str) {
        let Some(room) = state.left.checked_sub(LINE_COST) else {
            state.cut = state.cut.saturating_add(text.len() as u64);
            return;
        };
        let kept = shorten(text, usize::try_from(room).unwrap_or(LINE_BYTES_MAX));
        let kept = shorten(kept, LINE_BYTES_MAX);
        state.cut = state.cut.saturating_add((text.len() - kept.len()) as u64);
        if kept.is_empty() && !text.is_empty() {
            return;
        }
        state.left = state.left.saturating_sub(LINE_COST + kept.len() as u64);
        self.services.log(LogLine { level, source, text: kept });
    }
}

impl State {
    fn pending(&mut self, source: Source) -> &mut Pending {
        if source == Source::Stderr { &mut self.error } else { &mut self.out }
    }
}

impl Pending {
    fn extend(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(LINE_BYTES_MAX - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.cut = self.cut.saturating_add((bytes.len() - kept) as u64);
    }
}

/// Rust's panics end with an advice that helps nobody here.
fn says_something(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE=")
}

/// The first `bytes_max` bytes of a text, or a few less where a character would be broken.
pub(super) fn shorten(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Standard output or standard error of one attempt.
pub(super) struct Stream {
    logs: Arc<Logs>,
    source: Source,
}

impl Stream {
    /// Both streams of an attempt.
    pub(super) fn pair(logs: &Arc<Logs>) -> (Self, Self) {
        let stream = |source| Self { logs: logs.clone(), source };
        (stream(Source::Stdout), stream(Source::Stderr))
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self { logs: self.logs.clone(), source: self.source })
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 writes this way, and it is not built in.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.logs.write(self.source, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::services::{BoxFuture, Progress, RememberError};
    use piton_core::Usage;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Services for Lines {
        fn log(&self, line: LogLine<'_>) {
            let line = format!("{} {}", line.source.word(), line.text);
            self.0.lock().expect("no test panics here").push(line);
        }

        fn progress(&self, _: Progress<'_>) {}

        fn recall(&self, _: &str) -> Option<String> {
            None
        }

        fn remember(
            &self,
            _: String,
            value: String,
            _: Usage,
        ) -> BoxFuture<'_, Result<String, RememberError>> {
            Box::pin(async { Ok(value) })
        }
    }

    /// What is kept, and the bytes that are cut, of what is written to both streams.
    fn check(log_bytes: u64, writes: &[(Source, &[u8])], kept: &[&str], cut: u64) {
        let lines = Arc::new(Lines::default());
        let logs = Logs::new(lines.clone(), log_bytes, Arc::default());
        for (source, bytes) in writes {
            let mut stream = Stream { logs: logs.clone(), source: *source };
            stream.write(Bytes::copy_from_slice(bytes)).expect("a write should never fail");
        }
        logs.finish();
        assert_eq!(*lines.0.lock().expect("no test panics here"), kept);
        assert_eq!(logs.cut_bytes(), cut);
    }

    const OUT: Source = Source::Stdout;
    const ERR: Source = Source::Stderr;

    #[test]
    fn lines_come_whole_however_they_are_written() {
        let writes: [(Source, &[u8]); 4] =
            [(OUT, b"one\ntw"), (ERR, b"oh\n"), (OUT, b"o\n\nthr"), (OUT, b"ee")];
        check(1_000, &writes, &["stdout one", "stderr oh", "stdout two", "stdout three"], 0);
    }

    #[test]
    fn broken_utf8_is_shown_as_such() {
        check(1_000, &[(OUT, b"a\xffb\n")], &["stdout a\u{fffd}b"], 0);
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_held_only_so_far() {
        let endless = vec![b'x'; LINE_BYTES_MAX];
        let kept = format!("stdout {}", "x".repeat(LINE_BYTES_MAX));
        let writes: [(Source, &[u8]); 3] = [(OUT, &endless), (OUT, &endless), (OUT, b"y\n")];
        check(1 << 20, &writes, &[&kept], LINE_BYTES_MAX as u64 + 1);
    }

    #[test]
    fn a_flood_is_cut_at_the_limit_and_counted() {
        let flood = b"1234\n".repeat(1_000);
        let kept = ["stdout 1234"; 5];
        check(5 * (LINE_COST + 4), &[(OUT, &flood)], &kept, 995 * 4);
    }

    #[test]
    fn empty_lines_are_cut_at_the_limit_too() {
        let lines = Arc::new(Lines::default());
        let logs = Logs::new(lines.clone(), 3 * LINE_COST, Arc::default());
        for _ in 0..1_000 {
            logs.log(Level::Info, "");
        }
        assert_eq!(lines.0.lock().expect("no test panics here").len(), 3);
    }

    #[test]
    fn last_words_leave_out_advice() {
        let logs = Logs::new(Arc::new(Lines::default()), 0, Arc::default());
        let words = b"told to panic\nnote: run with `RUST_BACKTRACE=1` environment variable\n\n";
        logs.write(Source::Stderr, words);
        assert_eq!(logs.last_words(), "told to panic");
    }
}
