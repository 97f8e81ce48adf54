//! Follows a run to its end, wherever it is carried, and shows it meanwhile.
//! Owns what Ctrl-C means; never decides about the run itself.

use super::complain::Complaint;
use super::context::Context;
use super::exit;
use super::view::View;
use piton::runner::{Answer, Ask, Follow, Opening, Reach, Summary, Update};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a holder that is about to be gone is left alone.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How a followed run was left.
pub(crate) enum Left {
    /// It rests: it ended, or is stuck.
    Rests(Box<Summary>),
    /// It goes on when it is resumed, or where another process carries it.
    GoesOn(Option<Box<Summary>>),
}

/// Ctrl-C and SIGTERM.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(crate) fn new() -> Result<Self, Complaint> {
        let listen = |kind| {
            signal(kind).map_err(|error| Complaint::of_host(format!("cannot listen: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// How many events a run has now, so that only later ones are shown.
pub(crate) async fn events_so_far(
    context: &Context,
    before: Option<Reach>,
    run: &str,
) -> Result<(Reach, u64), Complaint> {
    let ask = Ask::Events { run: run.into() };
    match context.ask_next(before, Opening::Existing, ask).await? {
        (reach, Answer::Events(events)) => Ok((reach, events.len() as u64)),
        _ => Err(Complaint::of_host("the host answers something else")),
    }
}

/// Follows `run` until it rests or is left, shows it on stderr and its end on stdout. Of its
/// events, the first `known_events` are not shown.
pub(crate) async fn to_the_end(
    context: &Context,
    mut reach: Reach,
    run: &str,
    known_events: u64,
) -> Result<ExitCode, Complaint> {
    let mut interrupts = Interrupts::new()?;
    let mut view = View::new(context, run, known_events);
    let mut has_told = false;
    let left = loop {
        match follow_here(context, &reach, run, &mut interrupts, &mut view).await? {
            Followed::Left(left) => break left,
            Followed::HolderGone => {
                if has_told {
                    // It answers, and carries nothing any more: it is about to be gone.
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                } else {
                    view.say("the process that carried the run is gone; going on here");
                    has_told = true;
                }
                drop(reach);
                reach = context.reach(Opening::Existing).await?;
            }
        }
    };
    view.close();
    let code = tell(context, run, &left);
    close(context, reach, &mut interrupts).await?;
    Ok(code)
}

enum Followed {
    Left(Left),
    HolderGone,
}

async fn follow_here(
    context: &Context,
    reach: &Reach,
    run: &str,
    interrupts: &mut Interrupts,
    view: &mut View<'_>,
) -> Result<Followed, Complaint> {
    let mut follow: Follow = match reach.follow(run).await {
        Ok(follow) => follow?,
        Err(_) if matches!(reach, Reach::Other(_)) => return Ok(Followed::HolderGone),
        Err(error) => return Err(error.into()),
    };
    if view.is_in_lines() {
        // It went on before it was followed: what became true meanwhile is shown, too.
        match reach.ask(Ask::Events { run: run.into() }).await {
            Ok(Answer::Events(events)) => events.iter().for_each(|event| view.earlier(event)),
            Err(_) if matches!(reach, Reach::Other(_)) => return Ok(Followed::HolderGone),
            _ => {}
        }
    }
    let mut interrupted = 0_u32;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        let next = tokio::select! {
            next = follow.next() => next,
            _ = tick.tick(), if context.is_live => {
                view.tick();
                continue;
            }
            () = interrupts.next() => {
                interrupted += 1;
                if let Some(left) = interrupt(context, reach, run, interrupted, view) {
                    return Ok(Followed::Left(left));
                }
                continue;
            }
        };
        let is_elsewhere = matches!(reach, Reach::Other(_));
        match next {
            Ok(Some(Ok(update))) => {
                view.update(&update);
                match update {
                    Update::Rests(summary) => return Ok(Followed::Left(Left::Rests(summary))),
                    Update::Left(_) if is_elsewhere => return Ok(Followed::HolderGone),
                    Update::Left(summary) => {
                        return Ok(Followed::Left(Left::GoesOn(Some(summary))));
                    }
                    Update::HostFailed(failure) => return Err(failure.into()),
                    _ => {}
                }
            }
            Ok(Some(Err(refused))) => return Err(refused.into()),
            Ok(None) | Err(_) if is_elsewhere => return Ok(Followed::HolderGone),
            Ok(None) => return Ok(Followed::Left(Left::GoesOn(None))),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The first Ctrl-C lets attempts under way end and starts none; the second leaves at once.
fn interrupt(
    context: &Context,
    reach: &Reach,
    run: &str,
    nth: u32,
    view: &mut View<'_>,
) -> Option<Left> {
    match reach {
        Reach::Other(client) => {
            let holder = client.pid.map_or_else(String::new, |pid| format!(" {pid}"));
            view.say(&format!(
                "the run goes on in process{holder}; follow it with `piton resume {run}`"
            ));
            Some(Left::GoesOn(None))
        }
        Reach::Own(host, _) if nth == 1 => {
            host.begin_leaving();
            view.say("stopping: attempts under way may end, no others start; Ctrl-C again leaves at once");
            None
        }
        Reach::Own(..) => {
            view.close();
            context.end_profile();
            eprintln!("left at once; go on with `piton resume {run}`");
            std::process::exit(i32::from(exit::UNFINISHED));
        }
    }
}

/// Tells the end of a run: the result on stdout, all else on stderr.
pub(crate) fn tell(context: &Context, run: &str, left: &Left) -> ExitCode {
    let summary = match left {
        Left::Rests(summary) => summary,
        Left::GoesOn(Some(summary)) => {
            context.say(&format!("go on with `piton resume {run}`"));
            summary
        }
        Left::GoesOn(None) => return ExitCode::from(exit::UNFINISHED),
    };
    super::show::print_result(context, summary);
    match left {
        Left::Rests(summary) => exit::code(&summary.status),
        Left::GoesOn(_) => ExitCode::from(exit::UNFINISHED),
    }
}

/// Gives the data directory up, once no other process follows a run here.
pub(crate) async fn close(
    context: &Context,
    reach: Reach,
    interrupts: &mut Interrupts,
) -> Result<(), Complaint> {
    let Reach::Own(host, mut server) = reach else { return Ok(()) };
    let guests = server.guests();
    if guests > 0 && !host.is_leaving() {
        context.say(&format!(
            "staying for {guests} other process(es) that follow runs here; Ctrl-C leaves them to go on by themselves"
        ));
        tokio::select! {
            () = server.is_left_alone() => {}
            () = interrupts.next() => {}
        }
    }
    super::context::let_go(Reach::Own(host, server)).await
}
