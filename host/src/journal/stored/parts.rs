//! Parts that several stored events have: phases, ends, failures, sums.
//! Owns the words for them on the way in; which event has which is `decode.rs`.

use super::decode::DecodeError;
use super::fields::{Fields, span};
use piton_core::{
    End, Failure, FailureKind, HostEnd, IdempotencyKey, Json, Limit, Phase, Reconciled, Settlement,
    StepFailure, Timestamp, Usage, Verdict,
};
use std::time::Duration;

pub(super) fn malformed(fields: &Fields<'_>, what: impl Into<String>) -> DecodeError {
    DecodeError::Malformed { event: fields.event.clone().into_owned(), what: what.into() }
}

pub(super) fn no_word(fields: &Fields<'_>, name: &str, word: &str) -> DecodeError {
    malformed(fields, format!("`{word}` is nothing that `{name}` can say"))
}

pub(super) fn need<T>(fields: &Fields<'_>, name: &str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or_else(|| malformed(fields, format!("it has no `{name}`")))
}

pub(super) fn text(
    fields: &Fields<'_>,
    name: &str,
    value: &Option<String>,
) -> Result<String, DecodeError> {
    need(fields, name, value.clone())
}

pub(super) fn moment(
    fields: &Fields<'_>,
    name: &str,
    value: Option<u64>,
) -> Result<Timestamp, DecodeError> {
    need(fields, name, value).map(Timestamp::from_millis)
}

pub(super) fn duration(
    fields: &Fields<'_>,
    name: &str,
    value: Option<&str>,
) -> Result<Duration, DecodeError> {
    let value = need(fields, name, value)?;
    span(value).ok_or_else(|| malformed(fields, format!("`{name}` is no number of milliseconds")))
}

pub(super) fn output(fields: &Fields<'_>) -> Result<Json, DecodeError> {
    need(fields, "output", fields.output.get())
}

pub(super) fn phase(fields: &Fields<'_>) -> Result<Phase, DecodeError> {
    let word = need(fields, "phase", fields.phase.as_deref())?;
    let phase = Phase::ALL.into_iter().find(|phase| phase.word() == word);
    phase.ok_or_else(|| no_word(fields, "phase", word))
}

pub(super) fn idempotency_key(fields: &Fields<'_>) -> Result<IdempotencyKey, DecodeError> {
    let key = need(fields, "key", fields.key.as_ref())?;
    key.parse().map_err(|error| malformed(fields, format!("`key`: {error}")))
}

pub(super) fn usage(fields: &Fields<'_>) -> Result<Usage, DecodeError> {
    let mut usage = Usage::new();
    for (unit, micros) in need(fields, "usage", fields.usage.as_ref())? {
        usage.add(unit, *micros).map_err(|error| malformed(fields, error.to_string()))?;
    }
    Ok(usage)
}

pub(super) fn end(f: &Fields<'_>) -> Result<End, DecodeError> {
    let word = need(f, "end", f.end.as_deref())?;
    Ok(match (need(f, "said_by", f.said_by.as_deref())?, word) {
        ("guest", "succeeded") => End::Succeeded(f.output.get()),
        ("guest", _) => End::Failed(Failure {
            kind: failure_kind(f, word)?,
            clean: need(f, "clean", f.clean)?,
            code: text(f, "code", &f.code)?,
            message: text(f, "message", &f.message)?,
            details: f.details.get(),
        }),
        ("reconcile", "done") => End::Reconciled(Reconciled::Done(output(f)?)),
        ("reconcile", "not-done") => End::Reconciled(Reconciled::NotDone),
        ("reconcile", "unknown") => End::Reconciled(Reconciled::Unknown),
        ("host", _) => {
            let host_end = HostEnd::ALL.into_iter().find(|host_end| host_end.word() == word);
            let host_end = host_end.ok_or_else(|| no_word(f, "end", word))?;
            End::Host(host_end, text(f, "message", &f.message)?)
        }
        ("reconcile", _) => return Err(no_word(f, "end", word)),
        (other, _) => return Err(no_word(f, "said_by", other)),
    })
}

fn failure_kind(f: &Fields<'_>, word: &str) -> Result<FailureKind, DecodeError> {
    Ok(match word {
        "retryable" => FailureKind::Retryable,
        "retry-after" => {
            let wait = f.retry_after_ms.map(|raw| raw.get());
            FailureKind::RetryAfter(duration(f, "retry_after_ms", wait)?)
        }
        "permanent" => FailureKind::Permanent,
        "unknown" => FailureKind::Unknown,
        other => return Err(no_word(f, "end", other)),
    })
}

pub(super) fn failure(fields: &Fields<'_>) -> Result<StepFailure, DecodeError> {
    let word = need(fields, "limit", fields.limit.as_deref())?;
    let limit = Limit::ALL.into_iter().find(|limit| limit.word() == word);
    Ok(StepFailure {
        end: need(fields, "end", fields.end.as_deref())?.into(),
        code: text(fields, "code", &fields.code)?,
        message: text(fields, "message", &fields.message)?,
        limit: limit.ok_or_else(|| no_word(fields, "limit", word))?,
    })
}

pub(super) fn verdict(fields: &Fields<'_>) -> Result<Verdict, DecodeError> {
    Ok(match need(fields, "verdict", fields.verdict.as_deref())? {
        "turn-back" => Verdict::TurnBack,
        "go-on" => Verdict::GoOn,
        "tolerated" => Verdict::Tolerated,
        other => return Err(no_word(fields, "verdict", other)),
    })
}

pub(super) fn settlement(fields: &Fields<'_>) -> Result<Settlement, DecodeError> {
    Ok(match need(fields, "settlement", fields.settlement.as_deref())? {
        "done" => Settlement::Done(output(fields)?),
        "not-done" => Settlement::NotDone,
        "undone" => Settlement::Undone,
        other => return Err(no_word(fields, "settlement", other)),
    })
}
