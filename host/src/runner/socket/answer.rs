//! Answers what is asked of a host, in this process or over the socket.
//! Owns the words of refusals; never decides about a run.

use super::protocol::{Act, Answer, Ask, Look, Refused, RowFilter};
use crate::journal::Query;
use crate::manifest;
use crate::runner::read::read_manifest_text;
use crate::runner::{
    CostOf, Host, Progress, SayFailed, StartFailed, find_instance, find_step, rfc3339,
};
use piton_core::{Input, Json, Run, RunId, RunStatus, Settlement, Timestamp};
use std::path::Path;
use tokio::sync::watch;

/// Runs listed where nobody says how many.
const ROWS_DEFAULT: usize = 50;

/// How many runs are looked through for one whose id begins in some way.
const ROWS_SEARCHED: usize = 100_000;

impl Host {
    /// Answers everything but [`Ask::Follow`]. Says how far it is, as long as somebody listens.
    pub async fn answer(&self, ask: Ask, by: &str, progress: watch::Sender<Progress>) -> Answer {
        self.try_answer(ask, by, progress).await.unwrap_or_else(Answer::Refused)
    }

    async fn try_answer(
        &self,
        ask: Ask,
        by: &str,
        progress: watch::Sender<Progress>,
    ) -> Result<Answer, Refused> {
        Ok(match ask {
            Ask::Run { manifest, input, key, look, .. } => {
                self.answer_run(&manifest, &input, key, look).await?
            }
            Ask::Resume { runs } if runs.is_empty() && self.is_leaving() => Answer::Leaving,
            Ask::Resume { runs } => Answer::Resumed { runs: self.answer_resume(&runs).await? },
            Ask::Unfinished => Answer::Rows(self.unfinished()?),
            Ask::Rows(filter) => Answer::Rows(self.rows(&query(filter)?)?),
            Ask::Show { run } => {
                let id = self.find_run(&run)?;
                Answer::Summary(self.summary(id).await.map_err(|error| refused(error, &run))?)
            }
            Ask::Explain { run } => {
                let id = self.find_run(&run)?;
                Answer::Explanation(self.explain(id).await.map_err(|error| refused(error, &run))?)
            }
            Ask::Events { run } => {
                let id = self.find_run(&run)?;
                Answer::Events(self.events(id).map_err(|error| refused(error, &run))?)
            }
            Ask::Logs { run, step } => {
                let id = self.find_run(&run)?;
                let lines = self.log_lines(id, step.as_deref()).await;
                Answer::Logs(lines.map_err(|error| refused(error, &run))?)
            }
            Ask::Cost { run, pipeline, since_ms, payments } => {
                let of = match &run {
                    Some(run) => CostOf::Run(self.find_run(run)?),
                    None => CostOf::All { pipeline, since: Timestamp::from_millis(since_ms) },
                };
                let cost = self.cost(of, payments).await;
                let cost = cost.map_err(|error| refused(error, run.as_deref().unwrap_or("")))?;
                Answer::Cost(Box::new(cost))
            }
            Ask::Verify => Answer::Verified(self.verify().await?),
            Ask::Backup { file, force } => {
                Answer::BackedUp(self.back_up(&file, force, progress).await?)
            }
            Ask::Prune(order) => Answer::Pruned(self.prune(&order).await?),
            Ask::Act { run, act } => {
                let id = self.find_run(&run)?;
                if self.is_leaving() && !self.carries(id) {
                    return Ok(Answer::Leaving);
                }
                let said = self.say(id, |folded| input_of(&act, folded, by)).await;
                said.map_err(|error| refused(error, &run))?;
                Answer::Done { run: id.to_string() }
            }
            Ask::Follow { run } => Answer::Done { run },
        })
    }

    async fn answer_run(
        &self,
        path: &Path,
        input: &str,
        key: Option<String>,
        look: Look,
    ) -> Result<Answer, Refused> {
        let prepared = self.prepare(path).await;
        let (prepared, remarks) =
            prepared.map_err(|failed| start_refused(StartFailed::from(failed), look))?;
        let started = self.start(&prepared, input, key).await;
        let started = started.map_err(|failed| start_refused(failed, look))?;
        let text = read_manifest_text(path).unwrap_or_default();
        let name = path.display().to_string();
        let remarks = manifest::render(&name, &text, &remarks, look.color, look.width);
        Ok(Answer::Started { run: started.run.to_string(), is_new: started.is_new, remarks })
    }

    async fn answer_resume(&self, runs: &[String]) -> Result<Vec<String>, Refused> {
        if runs.is_empty() {
            return Ok(self.resume_all()?);
        }
        let ids: Result<Vec<RunId>, Refused> = runs.iter().map(|run| self.find_run(run)).collect();
        let ids = ids?;
        for id in &ids {
            // Whether it goes on or rests, whoever follows it is told.
            let _ = self.follow(*id).await.map_err(|error| refused(error, &id.to_string()))?;
        }
        Ok(ids.iter().map(ToString::to_string).collect())
    }

    /// The run that a user means by an id, the beginning of one, or `last`.
    pub fn find_run(&self, named: &str) -> Result<RunId, Refused> {
        if let Ok(id) = named.parse() {
            return Ok(id);
        }
        let is_last = named == "last";
        let limit = if is_last { 1 } else { ROWS_SEARCHED };
        let rows = self.rows(&Query { status: None, pipeline: None, before: None, limit })?;
        let mut found = rows.iter().filter(|row| is_last || row.run.starts_with(named));
        let hint = Some("list runs with `piton runs`".to_owned());
        let Some(first) = found.next().filter(|_| !named.is_empty()) else {
            return Err(Refused::mistake(format!("there is no run `{named}`"), hint));
        };
        if !is_last && found.next().is_some() {
            let message = format!("`{named}` is the beginning of more than one run's id");
            return Err(Refused::mistake(message, hint));
        }
        first.run.parse().map_err(|_| Refused::of_host("a run in the list has no id", ""))
    }
}

fn query(filter: RowFilter) -> Result<Query, Refused> {
    let status = match filter.status {
        None => None,
        Some(word) => {
            let found = RunStatus::ALL.into_iter().find(|status| status.word() == word);
            let words: Vec<&str> = RunStatus::ALL.iter().map(|status| status.word()).collect();
            let hint = Some(format!("a status is one of {}", words.join(", ")));
            Some(found.ok_or_else(|| Refused::mistake(format!("`{word}` is no status"), hint))?)
        }
    };
    let limit = if filter.limit == 0 { ROWS_DEFAULT } else { filter.limit };
    Ok(Query { status, pipeline: filter.pipeline, before: None, limit })
}

fn input_of(act: &Act, run: &Run, by: &str) -> Result<Input, SayFailed> {
    let by = by.to_owned();
    Ok(match act {
        Act::Cancel { keep } => Input::Cancel { by, keep: *keep },
        Act::RollBack => Input::RollBack { by },
        Act::Retry { step } => {
            let instance = step.as_deref().map(|step| find_instance(run, step)).transpose()?;
            Input::Retry { instance, by }
        }
        Act::Settle { step, settlement, output, because } => {
            let instance = find_instance(run, step)?;
            let settlement = match settlement.as_str() {
                "done" => Settlement::Done(Json::from_checked(output.as_str())),
                "undone" => Settlement::Undone,
                _ => Settlement::NotDone,
            };
            Input::Settle { instance, settlement, because: because.clone(), by }
        }
        Act::Approve { step, approved, because } => {
            let step = find_step(run, step)?;
            if *approved {
                let output = serde_json::json!({ "approved": true, "by": by, "because": because });
                Input::Approve { step, output: Json::from_checked(output.to_string()) }
            } else {
                let message = format!("`{by}` refused: {because}");
                Input::Disapprove { step, message }
            }
        }
        Act::Signal { name, data } => {
            Input::Signal { name: name.clone(), data: Json::from_checked(data.as_str()), by }
        }
    })
}

pub(in crate::runner) fn refused(failed: SayFailed, run: &str) -> Refused {
    match failed {
        SayFailed::NoSuchRun => Refused::mistake(
            format!("there is no run `{run}`"),
            Some("list runs with `piton runs`".into()),
        ),
        SayFailed::NoSuchStep(step) => Refused::mistake(
            format!("run `{run}` has no step `{step}`"),
            Some(format!("see its steps with `piton show {run}`")),
        ),
        SayFailed::Refused(refusal) => Refused::mistake(
            format!("run `{run}` refuses that: {refusal}"),
            Some(format!("see where it stands with `piton show {run}`")),
        ),
        SayFailed::Hindered(hindrance) => {
            let hint = match hindrance.hint.as_str() {
                "" => "nothing of it is lost; then go on with `piton resume`".to_owned(),
                hint => format!("{hint}; nothing of the run is lost"),
            };
            let message = format!("run `{run}` is not taken up: {}", hindrance.message);
            Refused::mistake(message, Some(hint))
        }
        SayFailed::Host(failure) => failure.into(),
    }
}

/// The words for a run that was not started.
pub fn start_refused(failed: StartFailed, look: Look) -> Refused {
    match failed {
        StartFailed::Host(failure) => failure.into(),
        StartFailed::Pruned { run, ended_at } => Refused::mistake(
            format!(
                "this key started run {run}, which ended at {} and was pruned since",
                rfc3339(ended_at)
            ),
            Some("a key never starts a second run: give another one".into()),
        ),
        StartFailed::Manifest(refused) => {
            let name = refused.path.display().to_string();
            let message =
                manifest::render(&name, &refused.text, &refused.complaints, look.color, look.width);
            Refused { message, hint: None, is_drawn: true, is_of_host: false }
        }
        StartFailed::Input(mistakes) => {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            let message =
                format!("the input is not what the manifest asks for: {}", lines.join("; "));
            Refused::mistake(message, Some("give it with `--input JSON`, `@FILE` or `-`".into()))
        }
    }
}
