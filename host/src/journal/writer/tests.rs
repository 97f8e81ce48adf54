//! The writer over a store that the test holds by the hand: it commits when it is told to.

use super::super::contract::{Pen, step_ended};
use super::super::store::Verdicts;
use super::*;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Reports each commit, then waits for how it is to end.
struct Held {
    begun: SyncSender<(usize, usize)>,
    ends: Mutex<Receiver<Result<(), JournalError>>>,
}

/// Commits at once, and settles when it is told how.
struct Settles(Mutex<Receiver<Result<(), JournalError>>>);

impl Commit for Settles {
    fn commit(&self, batches: &[Batch], _: &[LogLine]) -> Result<Verdicts, JournalError> {
        Ok(vec![Ok(()); batches.len()])
    }

    fn settle(&self) -> Result<(), JournalError> {
        self.0.lock().expect("the test should not panic here").recv().expect("it should be told")
    }
}

impl Commit for Held {
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        self.begun.send((batches.len(), log_lines.len())).expect("the test should listen");
        let ends = self.ends.lock().expect("the test should not panic in a commit");
        ends.recv().expect("the test should end each commit")?;
        Ok(vec![Ok(()); batches.len()])
    }
}

struct Rig {
    writer: Writer,
    begun: Receiver<(usize, usize)>,
    end: Sender<Result<(), JournalError>>,
}

fn rig() -> Rig {
    rig_with(QUICK)
}

fn rig_with(quick: Duration) -> Rig {
    let (begun_sender, begun) = sync_channel(16);
    let (end, ends) = channel();
    let journal = Held { begun: begun_sender, ends: Mutex::new(ends) };
    let writer = Writer::start_with(Arc::new(journal), quick).expect("a thread should start");
    Rig { writer, begun, end }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime should start").block_on(future)
}

impl Rig {
    /// What the next commit takes along.
    fn next(&self) -> (usize, usize) {
        self.begun.recv().expect("a commit should begin")
    }

    fn end(&self, result: Result<(), JournalError>) {
        self.end.send(result).expect("the writer should wait for the end");
    }
}

#[test]
fn what_waits_during_a_commit_goes_into_the_next() {
    let rig = rig();
    let [mut one, mut two, mut three] = [1, 2, 3].map(|number| Pen::new(number, 1));
    let first = rig.writer.append(one.start());
    assert_eq!(rig.next(), (1, 0));
    let others = [two.start(), three.start(), one.write(&[step_ended("1")])];
    let others = others.map(|batch| rig.writer.append(batch));
    rig.writer.log(one.line("charge", 1));
    rig.end(Ok(()));
    assert_eq!(block_on(first), Ok(()));
    assert_eq!(rig.next(), (3, 1));
    rig.end(Ok(()));
    for other in others {
        assert_eq!(block_on(other), Ok(()));
    }
}

#[test]
fn a_run_alone_has_one_commit_per_append() {
    let rig = rig();
    let mut pen = Pen::new(1, 1);
    let mut batches = vec![pen.start()];
    batches.extend((0..20).map(|_| pen.write(&[step_ended("1")])));
    batches.push(pen.finish());
    let count = batches.len() as u64;
    for batch in batches {
        rig.end(Ok(()));
        assert_eq!(rig.writer.append_blocking(batch), Ok(()));
        assert_eq!(rig.next(), (1, 0));
    }
    assert_eq!(rig.writer.commits(), count);
}

#[test]
fn after_an_error_everybody_is_told_and_nothing_is_written() {
    for error in [JournalError::Full, JournalError::Failed { what: "no such device".into() }] {
        let rig = rig();
        let (mut one, mut two) = (Pen::new(1, 1), Pen::new(2, 1));
        let first = rig.writer.append(one.start());
        assert_eq!(rig.next(), (1, 0));
        let waiting = rig.writer.append(two.start());
        rig.end(Err(error.clone()));
        let expected = Err(AppendError::Journal(error));
        assert_eq!(block_on(first), expected);
        assert_eq!(block_on(waiting), expected);
        assert_eq!(rig.writer.append_blocking(one.write(&[step_ended("1")])), expected);
        assert_eq!(block_on(rig.writer.flush()), expected);
        assert_eq!(rig.writer.commits(), 1);
    }
}

#[test]
fn what_is_done_behind_a_commit_holds_up_the_next_alone() {
    let (end, ends) = channel();
    let journal = Arc::new(Settles(Mutex::new(ends)));
    let writer = Writer::start_with(journal, QUICK).expect("a thread should start");
    let (mut one, mut two) = (Pen::new(1, 1), Pen::new(2, 1));
    // Answered, though it has not settled; from then on a commit is under way, so the thread makes the next.
    assert_eq!(writer.append_blocking(one.start()), Ok(()));
    let next = writer.append_here(two.start());
    let error = JournalError::Failed { what: "no such device".into() };
    end.send(Err(error.clone())).expect("it should settle");
    assert_eq!(block_on(next), Err(AppendError::Journal(error)));
}

#[test]
fn log_lines_are_written_when_the_writer_ends() {
    let rig = rig();
    rig.writer.log(Pen::new(1, 1).line("charge", 1));
    rig.end(Ok(()));
    drop(rig.writer);
    assert_eq!(rig.begun.recv(), Ok((0, 1)));
}

#[test]
fn log_lines_are_written_without_an_append() {
    let rig = rig();
    let mut line = Pen::new(1, 1).line("charge", 1);
    line.text = "x".repeat(LOG_BYTES_MAX);
    rig.writer.log(line);
    assert_eq!(rig.next(), (0, 1));
    rig.end(Ok(()));
}

#[test]
fn an_append_goes_on_when_nobody_waits_for_it() {
    let rig = rig();
    let mut pen = Pen::new(1, 1);
    drop(rig.writer.append(pen.start()));
    assert_eq!(rig.next(), (1, 0));
    rig.end(Ok(()));
    rig.end(Ok(()));
    assert_eq!(rig.writer.append_blocking(pen.write(&[step_ended("1")])), Ok(()));
}

#[test]
fn who_is_alone_commits_before_it_goes_on() {
    let rig = rig_with(Duration::MAX);
    let mut pen = Pen::new(1, 1);
    for batch in [pen.start(), pen.write(&[step_ended("1")])] {
        rig.end(Ok(()));
        let told = rig.writer.append_here(batch);
        assert_eq!(rig.begun.try_recv(), Ok((1, 0)));
        assert_eq!(block_on(told), Ok(()));
    }
}

#[test]
fn a_commit_here_takes_along_what_waits() {
    let rig = rig_with(Duration::MAX);
    let mut pen = Pen::new(1, 1);
    rig.writer.log(pen.line("charge", 1));
    rig.end(Ok(()));
    drop(rig.writer.append_here(pen.start()));
    assert_eq!(rig.begun.try_recv(), Ok((1, 1)));
}

#[test]
fn nobody_waits_here_for_a_commit_of_others() {
    let rig = rig_with(Duration::MAX);
    let (mut one, mut two) = (Pen::new(1, 1), Pen::new(2, 1));
    let first = rig.writer.append(one.start());
    assert_eq!(rig.next(), (1, 0));
    let second = rig.writer.append_here(two.start());
    rig.end(Ok(()));
    assert_eq!(rig.next(), (1, 0));
    rig.end(Ok(()));
    assert_eq!((block_on(first), block_on(second)), (Ok(()), Ok(())));
}

#[test]
fn what_comes_in_during_a_commit_here_is_left_to_the_thread() {
    let rig = rig_with(Duration::MAX);
    let (mut one, mut two) = (Pen::new(1, 1), Pen::new(2, 1));
    let batch = one.start();
    std::thread::scope(|scope| {
        let here = scope.spawn(|| block_on(rig.writer.append_here(batch)));
        assert_eq!(rig.next(), (1, 0));
        let other = rig.writer.append(two.start());
        rig.writer.log(two.line("charge", 1));
        rig.end(Ok(()));
        assert_eq!(here.join().expect("it should not panic"), Ok(()));
        assert_eq!(rig.next(), (1, 1));
        rig.end(Ok(()));
        assert_eq!(block_on(other), Ok(()));
    });
}

#[test]
fn slow_commits_are_left_to_the_thread() {
    let rig = rig_with(Duration::ZERO);
    let told = rig.writer.append_here(Pen::new(1, 1).start());
    assert_eq!(rig.next(), (1, 0));
    rig.end(Ok(()));
    assert_eq!(block_on(told), Ok(()));
}

#[test]
fn an_error_here_ends_it_for_everybody() {
    let rig = rig_with(Duration::MAX);
    let (mut one, mut two) = (Pen::new(1, 1), Pen::new(2, 1));
    rig.end(Err(JournalError::Full));
    let expected = Err(AppendError::Journal(JournalError::Full));
    assert_eq!(block_on(rig.writer.append_here(one.start())), expected);
    assert_eq!(block_on(rig.writer.append_here(two.start())), expected);
    assert_eq!(rig.writer.append_blocking(two.start()), expected);
    assert_eq!(rig.writer.commits(), 1);
}

/// Many may append, and nobody else does: the thread gives up waiting for them.
#[test]
fn who_waits_for_others_in_vain_commits_all_the_same() {
    let rig = rig();
    rig.writer.has_writers(1_000);
    let mut pen = Pen::new(1, 1);
    for batch in [pen.start(), pen.write(&[step_ended("1")]), pen.finish()] {
        rig.end(Ok(()));
        assert_eq!(rig.writer.append_blocking(batch), Ok(()));
        assert_eq!(rig.next(), (1, 0));
    }
}

/// Three quarters of those who may append are there, and nothing more is waited for.
#[test]
fn three_quarters_of_the_writers_go_into_one_commit() {
    let rig = rig();
    rig.writer.has_writers(32);
    let mut pens: Vec<Pen> = (1..=25).map(|number| Pen::new(number, 1)).collect();
    let first = rig.writer.append(pens[0].start());
    assert_eq!(rig.next(), (1, 0));
    let others = pens[1..].iter_mut().map(|pen| rig.writer.append(pen.start()));
    let others: Vec<_> = others.collect();
    rig.end(Ok(()));
    assert_eq!(block_on(first), Ok(()));
    assert_eq!(rig.next(), (24, 0));
    rig.end(Ok(()));
    for other in others {
        assert_eq!(block_on(other), Ok(()));
    }
}
