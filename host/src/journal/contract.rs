//! What every store of journals must do, as tests that any store can be put through.
//! Knows the trait and nothing of a store; how a store behaves when the disk fails is its own.

use super::batch::{Append, Batch, Tail};
use super::log_line::{LogChannel, LogLine};
use super::row::{FailureSummary, RunRow, Totals};
use super::store::{Journal, JournalError, KeyOwner, Query, Refusal, Removal};
use piton_core::{
    Digest, End, Event, InstanceId, Json, Phase, Pipeline, RunId, RunStatus, Step, StepIndex,
    Timestamp, Usage,
};

/// Puts a store through the contract: a test for each of its points.
macro_rules! keeps_the_contract {
    ($make:expr) => {
        $crate::journal::contract::keeps_the_contract! { $make =>
            records_come_back_in_order
            a_batch_out_of_order_is_refused_alone
            a_batch_after_another_history_is_refused
            an_older_fence_is_refused
            a_key_is_taken_once
            runs_are_listed_newest_first_in_pages
            unfinished_runs_are_found
            log_lines_come_back_in_order
            what_is_not_there_is_none
            a_large_payload_comes_back
            a_finished_run_is_removed_with_all_that_is_its_own
            a_run_that_may_go_on_is_not_removed
            a_removed_run_keeps_its_key
        }
    };
    ($make:expr => $($point:ident)+) => {
        $(#[test]
        fn $point() {
            $crate::journal::contract::$point(&$make);
        })+
    };
}
pub(super) use keeps_the_contract;

/// Writes one run, for tests.
pub(super) struct Pen {
    pub(super) row: RunRow,
    pub(super) tail: Tail,
    pub(super) fence: u64,
}

pub(super) fn pipeline() -> Pipeline {
    Pipeline::new("order", vec![Step::call("charge", Vec::new()), Step::call("ship", Vec::new())])
}

impl Pen {
    pub(super) fn new(number: u128, fence: u64) -> Self {
        let at = Timestamp::from_millis(1_767_225_600_000);
        let row = RunRow {
            run: RunId::from_bits((0x0190 << 112) + number),
            pipeline: "order".into(),
            status: RunStatus::Running,
            key: None,
            started_at: at,
            updated_at: at,
            ended_at: None,
            wake_at: None,
            totals: Totals::default(),
            failure: None,
        };
        Self { row, tail: Tail::START, fence }
    }

    pub(super) fn run(&self) -> RunId {
        self.row.run
    }

    /// Encodes events as the run's next, and takes them as recorded.
    pub(super) fn write(&mut self, events: &[Event]) -> Batch {
        let batch = self.draft(events);
        self.tail = batch.tail();
        batch
    }

    /// Encodes events as the run's next.
    pub(super) fn draft(&mut self, events: &[Event]) -> Batch {
        self.row.updated_at = Timestamp::from_millis(self.row.updated_at.as_millis() + 1);
        let (fence, after, at) = (self.fence, self.tail, self.row.updated_at);
        let append = Append { fence, after, at, events, row: &self.row };
        Batch::encode(&append, &pipeline()).expect("events should be encoded")
    }

    pub(super) fn start(&mut self) -> Batch {
        let event = Event::RunStarted {
            pipeline: self.row.pipeline.clone(),
            manifest: Digest::from_bytes([1; 32]),
            folder: "/work/order".into(),
            components: vec![Some(Digest::from_bytes([2; 32])); 2],
            input: Json::from_checked(r#"{"quantity": 2}"#),
            key: self.row.key.clone(),
        };
        self.write(&[event])
    }

    pub(super) fn finish(&mut self) -> Batch {
        self.row.status = RunStatus::Completed;
        self.row.ended_at = Some(self.row.updated_at);
        let output = Some(Json::from_checked("42"));
        self.write(&[step_ended("1"), Event::RunFinished { status: RunStatus::Completed, output }])
    }

    pub(super) fn line(&self, step: &str, number: u64) -> LogLine {
        LogLine {
            run: self.run(),
            step: step.into(),
            phase: Phase::Execute,
            attempt: 1,
            number,
            at: self.row.updated_at,
            channel: LogChannel::Info,
            text: format!("line {number} of {step} \u{1b}[2J"),
        }
    }
}

pub(super) fn step_ended(output: &str) -> Event {
    Event::AttemptEnded {
        instance: InstanceId::of(StepIndex(0)),
        phase: Phase::Execute,
        attempt: 1,
        end: End::Succeeded(Some(Json::from_checked(output))),
        usage: Usage::new(),
        log_cursor: 0,
    }
}

/// Commits batches that should all be taken.
pub(super) fn commit(journal: &dyn Journal, batches: &[Batch], log_lines: &[LogLine]) {
    let verdicts = journal.commit(batches, log_lines).expect("a commit should work");
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
}

fn everything() -> Query {
    Query { status: None, pipeline: None, before: None, limit: usize::MAX }
}

fn fence(journal: &dyn Journal) -> u64 {
    journal.take_fence().expect("the fence should be taken")
}

pub(super) fn records_come_back_in_order<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let (mut one, mut two) = (Pen::new(1, fence), Pen::new(2, fence));
    let batches = [one.start(), two.start(), one.write(&[step_ended("1"), step_ended("[ 2 ]")])];
    commit(&journal, &batches, &[]);
    let last = two.finish();
    commit(&journal, std::slice::from_ref(&last), &[]);

    let found = journal.records(one.run()).expect("a run should be read");
    let found = found.expect("the run should be there");
    assert_eq!(found.records, [&batches[0].records[..], &batches[2].records].concat());
    assert_eq!(found.records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((found.tail, found.row), (one.tail, one.row));
    let found = journal.records(two.run()).expect("a run should be read");
    let found = found.expect("the run should be there");
    assert_eq!(found.records, [&batches[1].records[..], &last.records].concat());
    let verified = journal.verify().expect("the journal should verify");
    assert_eq!((verified.runs, verified.records), (2, 6));
}

pub(super) fn a_batch_out_of_order_is_refused_alone<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let (mut one, mut two, mut three) =
        (Pen::new(1, fence), Pen::new(2, fence), Pen::new(3, fence));
    let (first, second) = (one.start(), one.write(&[step_ended("1")]));
    three.row.key = Some("k".into());
    let (_, gap) = (three.start(), three.write(&[step_ended("1")]));
    // The second of a run before its first, the same twice, and one whose run never started.
    let batches = [second.clone(), first.clone(), first, second, gap, two.start()];
    let verdicts = journal.commit(&batches, &[]).expect("a commit should work");
    let refused = |after, last| Err(Refusal::OutOfOrder { after, last });
    assert_eq!(verdicts, [refused(1, 0), Ok(()), refused(0, 1), Ok(()), refused(1, 0), Ok(())]);
    assert_eq!(journal.row(three.run()), Ok(None));
    assert_eq!(journal.run_by_key("k"), Ok(None));
    assert_eq!(journal.verify().expect("the journal should verify").records, 3);
}

pub(super) fn a_batch_after_another_history_is_refused<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let mut pen = Pen::new(1, fence(&journal));
    commit(&journal, &[pen.start()], &[]);
    let kept = pen.draft(&[step_ended("1")]);
    pen.write(&[step_ended("2")]);
    let other = pen.write(&[step_ended("3")]);
    let verdicts = journal.commit(&[kept, other], &[]).expect("a commit should work");
    assert_eq!(verdicts, [Ok(()), Err(Refusal::Diverged { last: 2 })]);
}

pub(super) fn an_older_fence_is_refused<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let (held, current) = (fence(&journal), fence(&journal));
    assert!(held < current);
    let verdicts = journal.commit(&[Pen::new(1, held).start()], &[]);
    assert_eq!(verdicts, Ok(vec![Err(Refusal::Fenced { held, current })]));
    commit(&journal, &[Pen::new(1, current).start()], &[]);
}

pub(super) fn a_key_is_taken_once<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let [mut one, mut two, mut three] = [1, 2, 3].map(|number| Pen::new(number, fence));
    for pen in [&mut one, &mut two, &mut three] {
        pen.row.key = Some("monday".into());
    }
    let verdicts = journal.commit(&[one.start(), two.start()], &[]).expect("a commit should work");
    let refused = Err(Refusal::KeyTaken { run: one.run() });
    assert_eq!(verdicts, [Ok(()), refused.clone()]);
    assert_eq!(journal.commit(&[three.start()], &[]), Ok(vec![refused]));
    assert_eq!(journal.run_by_key("monday"), Ok(Some(KeyOwner::Kept(one.run()))));
    assert_eq!(journal.run_by_key("tuesday"), Ok(None));
    assert_eq!(journal.row(two.run()), Ok(None));
    commit(&journal, &[one.finish()], &[]);
    assert_eq!(journal.run_by_key("monday"), Ok(Some(KeyOwner::Kept(one.run()))));
}

pub(super) fn runs_are_listed_newest_first_in_pages<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let mut pens: Vec<Pen> = (1..=6).map(|number| Pen::new(number, fence)).collect();
    pens[1].row.pipeline = "order_2".into();
    pens[4].row.pipeline = "orde".into();
    let starts: Vec<Batch> = pens.iter_mut().map(Pen::start).collect();
    commit(&journal, &starts, &[]);
    let ends = [pens[0].finish(), pens[2].finish()];
    commit(&journal, &ends, &[]);

    let list = |query: &Query| {
        let (mut numbers, mut query) = (Vec::new(), query.clone());
        loop {
            let page = journal.list(&query).expect("runs should be listed");
            assert!(page.rows.len() <= query.limit);
            numbers.extend(page.rows.iter().map(|row| row.run.bits() as u64));
            match page.next {
                Some(next) => query.before = Some(next),
                None => return numbers,
            }
        }
    };
    for limit in [1, 2, 3, 6, usize::MAX] {
        let query = Query { limit, ..everything() };
        assert_eq!(list(&query), [6, 5, 4, 3, 2, 1]);
        let query = Query { status: Some(RunStatus::Running), ..query };
        assert_eq!(list(&query), [6, 5, 4, 2]);
        let query = Query { pipeline: Some("order".into()), ..query };
        assert_eq!(list(&query), [6, 4]);
        let query = Query { status: None, ..query };
        assert_eq!(list(&query), [6, 4, 3, 1]);
        let query = Query { pipeline: Some("none".into()), ..query };
        assert_eq!(list(&query), [0; 0]);
    }
}

pub(super) fn unfinished_runs_are_found<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let statuses = RunStatus::ALL;
    let mut pens: Vec<Pen> = (1..=7).map(|number| Pen::new(number, fence)).collect();
    let starts: Vec<Batch> = pens.iter_mut().map(Pen::start).collect();
    commit(&journal, &starts, &[]);
    for (pen, status) in pens.iter_mut().zip(statuses) {
        pen.row.status = status;
        pen.row.totals.spent.add("usd", 1_000_000).expect("one amount should fit");
        pen.row.failure = Some(FailureSummary {
            step: "charge".into(),
            phase: "execute".into(),
            end: "permanent".into(),
            code: "card-declined".into(),
            message: "no \"credit\"".into(),
        });
        let batch = pen.write(&[step_ended("1")]);
        commit(&journal, &[batch], &[]);
        assert_eq!(journal.row(pen.run()), Ok(Some(pen.row.clone())));
    }
    let expected: Vec<RunRow> =
        pens.into_iter().map(|pen| pen.row).filter(|row| !row.status.is_final()).collect();
    assert_eq!(journal.unfinished(), Ok(expected));
}

pub(super) fn log_lines_come_back_in_order<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let (mut one, mut two) = (Pen::new(1, fence), Pen::new(2, fence));
    let lines = [one.line("charge", 1), two.line("charge", 1), one.line("ship", 1)];
    commit(&journal, &[one.start(), two.start()], &lines);
    let more = [one.line("charge", 2)];
    commit(&journal, &[], &more);
    let all = vec![lines[0].clone(), lines[2].clone(), more[0].clone()];
    assert_eq!(journal.log_lines(one.run(), None), Ok(all));
    let of_charge = vec![lines[0].clone(), more[0].clone()];
    assert_eq!(journal.log_lines(one.run(), Some("charge")), Ok(of_charge));
    assert_eq!(journal.log_lines(two.run(), None), Ok(vec![lines[1].clone()]));
    assert_eq!(journal.verify().expect("the journal should verify").log_lines, 4);
}

pub(super) fn what_is_not_there_is_none<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let (mut pen, other) = (Pen::new(1, fence(&journal)), Pen::new(2, 0));
    let check = |journal: &J| -> Result<(), JournalError> {
        assert_eq!(journal.records(other.run())?, None);
        assert_eq!(journal.row(other.run())?, None);
        assert_eq!(journal.run_by_key("")?, None);
        assert_eq!(journal.log_lines(other.run(), None)?, []);
        Ok(())
    };
    assert_eq!(check(&journal), Ok(()));
    assert_eq!(journal.unfinished(), Ok(Vec::new()));
    assert_eq!(journal.list(&everything()).expect("runs should be listed").rows, []);
    commit(&journal, &[pen.start()], &[]);
    assert_eq!(check(&journal), Ok(()));
}

pub(super) fn a_large_payload_comes_back<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let mut pen = Pen::new(1, fence(&journal));
    let output = format!("\"{}\"", "x".repeat(4 << 20));
    let batches = [pen.start(), pen.write(&[step_ended(&output)])];
    commit(&journal, &batches, &[]);
    let found = journal.records(pen.run()).expect("a run should be read");
    assert_eq!(found.expect("the run should be there").records[1], batches[1].records[0]);
}

impl Pen {
    pub(super) fn removal(&self) -> Removal {
        Removal { run: self.run(), tail: self.tail }
    }
}

pub(super) fn a_finished_run_is_removed_with_all_that_is_its_own<J: Journal>(
    make: &impl Fn() -> J,
) {
    let journal = make();
    let fence = fence(&journal);
    let [mut one, mut two, mut three] = [1, 2, 3].map(|number| Pen::new(number, fence));
    three.row.pipeline = "other".into();
    let lines = [one.line("charge", 1), two.line("charge", 1)];
    commit(&journal, &[one.start(), two.start(), three.start()], &lines);
    let ends = [one.finish(), two.write(&[step_ended("1")]), three.finish()];
    commit(&journal, &ends, &[one.line("ship", 1)]);
    let removals = [one.removal(), three.removal()];
    assert_eq!(journal.remove(fence, &removals), Ok(vec![Ok(()), Ok(())]));

    for gone in [&one, &three] {
        assert_eq!(journal.records(gone.run()), Ok(None));
        assert_eq!(journal.row(gone.run()), Ok(None));
        assert_eq!(journal.log_lines(gone.run(), None), Ok(Vec::new()));
    }
    let found = journal.records(two.run()).expect("a run should be read");
    assert_eq!(found.expect("the run should be there").tail, two.tail);
    let other = Query { pipeline: Some("other".into()), ..everything() };
    assert_eq!(journal.list(&other).expect("runs should be listed").rows, []);
    let verified = journal.verify().expect("the journal should verify");
    assert_eq!((verified.runs, verified.records, verified.log_lines), (1, 2, 1));

    // What comes late for a run that is gone leaves no trace, and the others go on.
    let verdicts = journal.commit(&[one.write(&[step_ended("1")])], &[one.line("ship", 2)]);
    assert!(matches!(verdicts.as_deref(), Ok([Err(Refusal::OutOfOrder { last: 0, .. })])));
    commit(&journal, &[two.finish(), Pen::new(4, fence).start()], &[]);
    assert!(journal.compact().is_ok());
    let verified = journal.verify().expect("the journal should verify");
    assert_eq!((verified.runs, verified.records, verified.log_lines), (2, 5, 1));
}

pub(super) fn a_run_that_may_go_on_is_not_removed<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let [mut one, mut two, three] = [1, 2, 3].map(|number| Pen::new(number, fence));
    commit(&journal, &[one.start(), two.start()], &[]);
    let unfinished = Err(Refusal::Unfinished { status: RunStatus::Running });
    let verdicts = journal.remove(fence, &[one.removal(), three.removal()]);
    let missing = Err(Refusal::OutOfOrder { after: 0, last: 0 });
    assert_eq!(verdicts, Ok(vec![unfinished, missing]));

    // Found to have ended, and then a person had it undone.
    commit(&journal, &[two.finish()], &[]);
    let found = two.removal();
    (two.row.status, two.row.ended_at) = (RunStatus::RollingBack, None);
    commit(&journal, &[two.write(&[step_ended("1")])], &[]);
    let moved = Err(Refusal::OutOfOrder { after: found.tail.seq, last: two.tail.seq });
    assert_eq!(journal.remove(fence, &[found]), Ok(vec![moved]));
    let other = Removal { tail: Tail { seq: two.tail.seq, ..found.tail }, ..found };
    let diverged = Err(Refusal::Diverged { last: two.tail.seq });
    assert_eq!(journal.remove(fence, &[other]), Ok(vec![diverged]));

    let older = Err(Refusal::Fenced { held: fence - 1, current: fence });
    assert_eq!(journal.remove(fence - 1, &[two.removal()]), Ok(vec![older]));
    assert_eq!(journal.verify().expect("the journal should verify").runs, 2);
}

pub(super) fn a_removed_run_keeps_its_key<J: Journal>(make: &impl Fn() -> J) {
    let journal = make();
    let fence = fence(&journal);
    let (mut one, mut two) = (Pen::new(1, fence), Pen::new(2, fence));
    for pen in [&mut one, &mut two] {
        pen.row.key = Some("monday".into());
    }
    commit(&journal, &[one.start(), one.finish()], &[]);
    assert_eq!(journal.remove(fence, &[one.removal()]), Ok(vec![Ok(())]));
    let ended_at = one.row.ended_at.expect("it should have ended");
    let pruned = KeyOwner::Pruned { run: one.run(), ended_at };
    assert_eq!(journal.run_by_key("monday"), Ok(Some(pruned)));
    let taken = Err(Refusal::KeyTaken { run: one.run() });
    assert_eq!(journal.commit(&[two.start()], &[]), Ok(vec![taken]));
    assert_eq!(journal.verify().expect("the journal should verify").runs, 0);
}
