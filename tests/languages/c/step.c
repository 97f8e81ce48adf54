/*
 * Owns the step that every language has for the conformance suite; this is it in C.
 * Never does more than its input says: see `tests/languages/README.md`.
 */
#include "piton_step/piton_step.h"

#include <stdlib.h>
#include <string.h>

static bool is(const char *text, const char *other) { return strcmp(text, other) == 0; }

static piton_json *tell(void) {
    piton_trace("a trace");
    piton_debug("a debug");
    piton_info("an info: é😀");
    piton_warn("a warn");
    piton_error("an error");
    piton_progress(1, 2, "half");
    piton_progress(2, 0, "all");
    piton_usage("usd", 50000);
    piton_usage("tokens", 3000000);
    long long asked = 0;
    piton_json *answer = NULL;
    for (int time = 0; time < 2; time++) {
        answer = piton_recall("answer");
        if (answer == NULL) {
            asked++;
            answer = piton_remember("answer", piton_integer_of(42));
        }
    }
    piton_json *output = piton_set(piton_object(), "answer", answer);
    return piton_set(output, "asked", piton_integer_of(asked));
}

static void fail(piton_json *told) {
    const char *kind = piton_text(told, "kind");
    const char *code = piton_text(told, "code");
    const char *message = piton_text(told, "message");
    if (is(kind, "retryable")) piton_retryable(code, "%s", message);
    if (is(kind, "permanent")) piton_permanent(code, "%s", message);
    if (is(kind, "unknown")) piton_unknown(code, "%s", message);
    if (is(kind, "retry-after")) {
        piton_retry_after((uint64_t)piton_integer(told, "wait_ms"), code, "%s", message);
    }
    piton_json *clean = piton_get(told, "clean");
    if (clean != NULL && clean->boolean) piton_clean();
    piton_details(piton_get(told, "details"));
}

static piton_json *large(long long length) {
    char *text = calloc((size_t)length * 2 + 1, 1);
    if (text == NULL) abort();
    for (long long at = 0; at < length; at++) memcpy(text + at * 2, "é", 2);
    return piton_set(piton_object(), "text", piton_text_of(text));
}

piton_json *step_execute(const piton_context *ctx, piton_json *input) {
    const char *what = piton_text(input, "do");
    if (piton_failed()) return NULL;
    piton_json *value = piton_get(input, "value");
    if (is(what, "echo")) return piton_set(piton_object(), "value", value);
    if (is(what, "large")) return large(piton_integer(input, "length"));
    if (is(what, "tell")) return tell();
    if (is(what, "crash")) abort();
    if (is(what, "fail")) {
        fail(piton_get(input, "fail"));
        return NULL;
    }
    if (is(what, "busy") || is(what, "lost") || is(what, "hang")) {
        volatile bool goes_on = ctx->attempt <= piton_integer(input, "times");
        if (goes_on && is(what, "busy")) return piton_retryable("busy", "come again");
        if (goes_on && is(what, "lost")) return piton_unknown("lost", "who knows");
        while (goes_on) {
        }
        piton_json *output = piton_set(piton_object(), "value", value);
        return piton_set(output, "attempt", piton_integer_of(ctx->attempt));
    }
    piton_permanent("bad-input", "`%s` is nothing to do", what);
    piton_clean();
    return NULL;
}

void step_compensate(const piton_context *ctx, piton_json *input, piton_json *output,
                     const piton_failure *cause) {
    piton_text(input, "do");
    if (piton_failed()) return;
    piton_json *undo = piton_get(input, "undo");
    if (undo != NULL && undo->kind == PITON_TEXT && ctx->attempt == 1) {
        piton_retryable("busy", "come again");
        return;
    }
    piton_info("undo output=%s cause=%s", output == NULL ? "none" : piton_write(output),
               cause == NULL ? "none" : cause->code);
}

piton_outcome step_reconcile(const piton_context *ctx, piton_json *input, piton_json **output) {
    (void)ctx;
    piton_json *told = piton_get(input, "found");
    const char *found = told == NULL ? "" : told->text;
    if (is(found, "done")) {
        *output = piton_set(piton_object(), "value", piton_text_of("found"));
        return PITON_DONE;
    }
    return is(found, "not-done") ? PITON_NOT_DONE : PITON_NOBODY_KNOWS;
}
