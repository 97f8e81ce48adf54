//! Retry policies: what `[steps.x.retry]`, `[steps.x.undo]` and `[defaults]` say, put together.
//! Owns which values make sense beside which; the defaults are the core's.

use super::complaint::{Complaints, Place};
use super::duration;
use super::keys::{RETRY, RULE};
use super::shape::{Entry, Placed, Table};
use piton_core::{Jitter, RetryPolicy, RetryRule, RuleVerdict};
use std::time::Duration;

const ATTEMPTS_MAX: u32 = 10_000;
const FACTOR_MAX: f64 = 1_000.0;
const RULES_MAX: usize = 100;

/// What one table says; what it leaves out comes from the table behind it.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicyDraft {
    fields: Fields,
    rules: Vec<RuleDraft>,
}

#[derive(Debug, Clone, Default)]
struct Fields {
    attempts: Option<u32>,
    base: Option<Placed<Duration>>,
    factor: Option<f64>,
    cap: Option<Placed<Duration>>,
    floor: Option<Placed<Duration>>,
    jitter: Option<Jitter>,
    max_elapsed: Option<Duration>,
    retry_after_max: Option<Duration>,
    throttled_attempts: Option<u32>,
}

#[derive(Debug, Clone)]
struct RuleDraft {
    code: String,
    verdict: Option<RuleVerdict>,
    fields: Fields,
}

impl PolicyDraft {
    /// Reads a `retry` or `undo` table.
    pub(super) fn read(entry: &Entry<'_>, complaints: &mut Complaints) -> Self {
        let Some(table) = Table::read(&RETRY, entry.value, complaints) else {
            return Self::default();
        };
        let fields = Fields::read(&table, complaints);
        let mut rules = Vec::new();
        if let Some(entry) = table.get("rules") {
            let list = entry.list(complaints).unwrap_or_default();
            if list.len() > RULES_MAX {
                let message = format!("there are more than {RULES_MAX} rules");
                complaints.error(&entry.key_place, message);
            }
            rules.extend(list.iter().take(RULES_MAX).filter_map(|value| {
                let table = Table::read(&RULE, value, complaints)?;
                RuleDraft::read(&table, complaints)
            }));
        }
        Self { fields, rules }
    }

    /// The policy that this table and the one behind it make over the core's defaults. The rules
    /// of this table come first: the first match wins.
    pub(super) fn over(
        &self,
        behind: &Self,
        defaults: RetryPolicy,
        complaints: &mut Complaints,
    ) -> RetryPolicy {
        let behind_policy = behind.fields.over(&defaults);
        let mut policy = self.fields.over(&behind_policy);
        self.fields.check(&policy, complaints);
        let rules = self.rules.iter().map(|rule| (rule, true));
        let rules = rules.chain(behind.rules.iter().map(|rule| (rule, false)));
        let rules = rules
            .map(|(rule, is_own)| {
                let with_rule = rule.fields.over(&policy);
                if is_own {
                    rule.fields.check(&with_rule, complaints);
                }
                let changes = (with_rule != policy).then(|| Box::new(with_rule));
                RetryRule { code: rule.code.clone(), verdict: rule.verdict, policy: changes }
            })
            .collect();
        policy.rules = rules;
        policy
    }
}

impl Fields {
    fn read(table: &Table<'_>, complaints: &mut Complaints) -> Self {
        let mut span = |key: &str, least| {
            let entry = table.get(key)?;
            Some(entry.placed(entry.duration(least, complaints)?))
        };
        let base = span("base", Duration::from_millis(1));
        let cap = span("cap", Duration::from_millis(1));
        let floor = span("floor", Duration::ZERO);
        let max_elapsed = span("max_elapsed", Duration::ZERO).map(|span| span.value);
        let retry_after_max = span("retry_after_max", Duration::ZERO).map(|span| span.value);
        let jitters = [
            ("full", Jitter::Full),
            ("equal", Jitter::Equal),
            ("decorrelated", Jitter::Decorrelated),
            ("none", Jitter::None),
        ];
        Self {
            attempts: table.get("attempts").and_then(|e| e.count(1, ATTEMPTS_MAX, complaints)),
            base,
            factor: table.get("factor").and_then(|e| e.number(1.0, FACTOR_MAX, complaints)),
            cap,
            floor,
            jitter: table.get("jitter").and_then(|e| e.choice(&jitters, complaints)),
            max_elapsed,
            retry_after_max,
            throttled_attempts: table
                .get("throttled_attempts")
                .and_then(|e| e.count(0, ATTEMPTS_MAX, complaints)),
        }
    }

    fn over(&self, behind: &RetryPolicy) -> RetryPolicy {
        let value = |own: &Option<Placed<Duration>>| own.as_ref().map(|placed| placed.value);
        let mut policy = behind.clone();
        let backoff = &mut policy.backoff;
        backoff.base = value(&self.base).unwrap_or(backoff.base);
        backoff.factor = self.factor.unwrap_or(backoff.factor);
        backoff.cap = value(&self.cap).unwrap_or(backoff.cap);
        backoff.floor = value(&self.floor).unwrap_or(backoff.floor);
        backoff.jitter = self.jitter.unwrap_or(backoff.jitter);
        policy.attempts = self.attempts.unwrap_or(policy.attempts);
        policy.max_elapsed = self.max_elapsed.unwrap_or(policy.max_elapsed);
        policy.retry_after_max = self.retry_after_max.unwrap_or(policy.retry_after_max);
        policy.throttled_attempts = self.throttled_attempts.unwrap_or(policy.throttled_attempts);
        policy
    }

    /// Complains where the whole policy makes no sense, at the field of this table that makes it so.
    fn check(&self, policy: &RetryPolicy, complaints: &mut Complaints) {
        let backoff = &policy.backoff;
        let mut above = |name: &str, span: Duration, own: Option<&Placed<Duration>>| {
            let place: Option<&Place> = own.or(self.cap.as_ref()).map(|placed| &placed.place);
            if let Some(place) = place.filter(|_| span > backoff.cap) {
                let (span, cap) = (duration::format(span), duration::format(backoff.cap));
                complaints
                    .error(place, format!("`{name}` is above `cap`"))
                    .label(format!("`{name}` is {span}, `cap` is {cap}"));
            }
        };
        above("base", backoff.base, self.base.as_ref());
        above("floor", backoff.floor, self.floor.as_ref());
    }
}

impl RuleDraft {
    fn read(table: &Table<'_>, complaints: &mut Complaints) -> Option<Self> {
        let fields = Fields::read(table, complaints);
        let verdicts = [
            ("retryable", RuleVerdict::Retryable),
            ("permanent", RuleVerdict::Permanent),
            ("unknown", RuleVerdict::Unknown),
        ];
        let verdict = table.get("as").and_then(|entry| entry.choice(&verdicts, complaints));
        let Some(entry) = table.get("code") else {
            complaints
                .error(&table.place, "a retry rule needs a `code`")
                .hint("write the failure's code, such as `code = \"card-*\"`");
            return None;
        };
        let code = entry.text(complaints)?.to_owned();
        if table.entries().len() == 1 {
            complaints
                .warning(&entry.place(), "this rule changes nothing")
                .hint("say what it is taken `as`, or give it a field of the policy");
        }
        Some(Self { code, verdict, fields })
    }
}
