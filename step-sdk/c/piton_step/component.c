/*
 * Owns the way between the contract's calls and the functions of a step: JSON texts become values.
 * Never part of a test: there `native.c` takes its place.
 */
#ifdef __wasm__
#include "contract.h"
#include "host.h"
#include "piton_step.h"

#include <stdlib.h>
#include <string.h>

static char *text_of(contract_string_t *given) {
    return given == NULL ? NULL : piton_format("%.*s", (int)given->len, (const char *)given->ptr);
}

/* The host frees what it is given, so that each text is a copy of its own. */
static contract_string_t given(const char *text) {
    contract_string_t result;
    contract_string_dup(&result, text == NULL ? "" : text);
    return result;
}

/* For texts that the host only reads. */
static contract_string_t lent(const char *text) {
    return (contract_string_t){(uint8_t *)text, strlen(text)};
}

void piton_host_log(int level, const char *message) {
    contract_string_t line = lent(message);
    piton_step_log_log((piton_step_log_level_t)level, &line);
}

void piton_host_progress(uint64_t done, uint64_t total, const char *message) {
    contract_string_t line = lent(message);
    piton_step_report_progress(done, total == 0 ? NULL : &total, &line);
}

void piton_host_usage(const char *unit, uint64_t micros) {
    contract_string_t name = lent(unit);
    piton_step_report_usage(&name, micros);
}

const char *piton_host_recall(const char *key) {
    contract_string_t name = lent(key), value;
    return piton_step_memo_recall(&name, &value) ? text_of(&value) : NULL;
}

const char *piton_host_remember(const char *key, const char *value) {
    contract_string_t name = lent(key), text = lent(value), first;
    piton_step_memo_remember(&name, &text, &first);
    return text_of(&first);
}

static piton_context context_of(piton_step_types_context_t *ctx) {
    return (piton_context){
        text_of(&ctx->run_id),          text_of(&ctx->step),        ctx->attempt,
        text_of(&ctx->idempotency_key), text_of(&ctx->execute_key), ctx->time_left_ms,
    };
}

static const char *KINDS[] = {"retryable", "retry-after", "permanent", "unknown"};

/* Where the call has failed it tells the host so. */
static bool report(piton_step_types_failure_t *to) {
    piton_failure *failure = piton_take_failure();
    if (failure == NULL) return false;
    memset(to, 0, sizeof *to);
    while (strcmp(failure->kind, KINDS[to->kind.tag]) != 0) to->kind.tag++;
    to->kind.val.retry_after = failure->wait_ms;
    to->clean = failure->clean;
    to->code = given(failure->code);
    to->message = given(failure->message);
    to->details.is_some = failure->details != NULL;
    if (failure->details != NULL) to->details.val = given(piton_write(failure->details));
    return true;
}

static piton_json *read_input(contract_string_t *text) {
    const char *problem;
    piton_json *input = piton_read(text_of(text), &problem);
    if (input == NULL) {
        piton_permanent("bad-input", "the input cannot be read: %s", problem);
        piton_clean();
    }
    return input;
}

bool exports_piton_step_step_execute(piton_step_types_context_t *ctx, contract_string_t *input,
                                     contract_string_t *output, piton_step_types_failure_t *err) {
    piton_context context = context_of(ctx);
    piton_json *value = read_input(input), *result = NULL;
    if (value != NULL) result = step_execute(&context, value);
    if (report(err)) return false;
    *output = given(piton_write(result));
    return true;
}

bool exports_piton_step_step_compensate(piton_step_types_context_t *ctx, contract_string_t *input,
                                        contract_string_t *output, piton_step_types_failure_t *cause,
                                        piton_step_types_failure_t *err) {
    piton_context context = context_of(ctx);
    piton_json *value = read_input(input);
    piton_json *known = output == NULL ? NULL : piton_read(text_of(output), NULL);
    piton_failure failure = {0};
    if (cause != NULL) {
        piton_json *details =
            cause->details.is_some ? piton_read(text_of(&cause->details.val), NULL) : NULL;
        failure = (piton_failure){KINDS[cause->kind.tag], 0, cause->clean, text_of(&cause->code),
                                  text_of(&cause->message), details};
    }
    if (value != NULL) step_compensate(&context, value, known, cause == NULL ? NULL : &failure);
    return !report(err);
}

#ifdef PITON_RECONCILABLE
bool exports_piton_step_reconcile_reconcile(piton_step_types_context_t *ctx, contract_string_t *input,
                                            exports_piton_step_reconcile_outcome_t *outcome,
                                            piton_step_types_failure_t *err) {
    piton_context context = context_of(ctx);
    piton_json *value = read_input(input), *output = NULL;
    piton_outcome found = PITON_NOBODY_KNOWS;
    if (value != NULL) found = step_reconcile(&context, value, &output);
    if (report(err)) return false;
    outcome->tag = (uint8_t)found;
    if (found == PITON_DONE) outcome->val.done = given(piton_write(output));
    return true;
}
#endif
#else
/* No file is empty in C. */
typedef int piton_no_component;
#endif
