/*
 * Owns the guest's side of the contract: what a step written in C sees of piton.
 * Never decides whether, when or how often a step runs.
 *
 * A step is a file `step.c` with two functions:
 *
 *     #include "piton_step/piton_step.h"
 *
 *     piton_json *step_execute(const piton_context *ctx, piton_json *input) {
 *         long long quantity = piton_integer(input, "quantity");
 *         if (piton_failed()) return NULL;
 *         if (quantity > 100) {
 *             piton_permanent("no-stock", "no %lld of these", quantity);
 *             piton_clean();
 *             return NULL;
 *         }
 *         // Call the service here, with `ctx->idempotency_key` in the request.
 *         piton_json *output = piton_object();
 *         piton_set(output, "id", piton_text_of(ctx->idempotency_key));
 *         return output;
 *     }
 *
 *     void step_compensate(const piton_context *ctx, piton_json *input, piton_json *output,
 *                          const piton_failure *cause) {
 *         // Look for the effect by `ctx->execute_key`, and take it back if it is there.
 *     }
 *
 * With a third function `step_reconcile` the step can also tell what became of a call whose answer was
 * lost.
 *
 * The rules of a good step:
 *
 * - A call may come again, always with the same idempotency key. Send it with each request that changes
 *   something.
 * - An undo may come for nothing. `step_compensate` with `output` NULL asks about a call whose result nobody
 *   knows: look for the effect by `ctx->execute_key`. Nothing found is success.
 * - Say what a failure means: `piton_retryable` and its kin, then return. The first failure of a call
 *   stays. A call that aborts or traps ends as `trapped`, and so may be tried again.
 * - Never wait inside a step for a person or a date, and never retry in a loop: the manifest does both.
 *
 * A component lives for one call, so nothing here is ever freed, and no text is owned by anybody. All texts
 * are UTF-8 and end with a zero; a text with a zero inside is cut there.
 *
 * Compiled for your own machine, as a test is, logs, progress and usage go to standard error, and notes live
 * as long as the process.
 */
#ifndef PITON_STEP_H
#define PITON_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values. */

typedef enum {
    PITON_NULL,
    PITON_BOOLEAN,
    PITON_NUMBER,
    PITON_TEXT,
    PITON_LIST,
    PITON_OBJECT,
} piton_kind;

/* A JSON value. A list and an object have their parts from `first` on, each with its `next`. */
typedef struct piton_json {
    piton_kind kind;
    bool boolean;
    /* A text as it is; a number as it was written, so that none loses digits. */
    const char *text;
    /* In an object, the name of this field. */
    const char *name;
    struct piton_json *first;
    struct piton_json *last;
    struct piton_json *next;
} piton_json;

piton_json *piton_null(void);
piton_json *piton_boolean_of(bool value);
piton_json *piton_integer_of(long long value);
piton_json *piton_number_of(double value);
piton_json *piton_text_of(const char *text);
piton_json *piton_list(void);
piton_json *piton_object(void);
/* Adds to the end of a list, and returns the list. */
piton_json *piton_add(piton_json *list, piton_json *item);
/* Sets a field of an object, and returns the object. A value may be in several places. */
piton_json *piton_set(piton_json *object, const char *name, piton_json *value);

/* Returns a field of an object, or NULL. */
piton_json *piton_get(const piton_json *object, const char *name);
/* Returns how many parts a list or an object has. */
size_t piton_count(const piton_json *value);

/* These four return a field that must be there and of that kind. Where it is not the call fails: a permanent,
 * clean `bad-input` that names the field; then they return "", 0 or false, and `piton_failed()` tells. */
const char *piton_text(const piton_json *object, const char *name);
long long piton_integer(const piton_json *object, const char *name);
double piton_number(const piton_json *object, const char *name);
bool piton_boolean(const piton_json *object, const char *name);

/* Returns the value of a text, or NULL with what is wrong in `problem`. */
piton_json *piton_read(const char *text, const char **problem);
/* Returns the JSON text of a value. */
char *piton_write(const piton_json *value);
/* Makes a text, as printf does. */
char *piton_format(const char *format, ...);

/* The call. */

typedef struct {
    /* Which run this is: a UUID. */
    const char *run_id;
    /* The name the manifest gives this step; an element of a map carries its `[index]`. */
    const char *step;
    /* Which attempt of this phase this is, from 1. */
    uint32_t attempt;
    /* The name of this piece of work, the same in all attempts of one phase. */
    const char *idempotency_key;
    /* The idempotency key that `step_execute` had: what to search for when undoing. */
    const char *execute_key;
    /* How long this call may still take, in milliseconds. */
    uint64_t time_left_ms;
} piton_context;

/* Failures. */

typedef struct {
    /* `retryable`, `retry-after`, `permanent` or `unknown`. */
    const char *kind;
    uint64_t wait_ms;
    bool clean;
    const char *code;
    const char *message;
    /* JSON, or NULL. */
    piton_json *details;
} piton_failure;

/* Each says that this call fails, and returns NULL, so that a step can return what it returns. */
/* A later attempt may not meet it: a busy service, a broken line. */
void *piton_retryable(const char *code, const char *format, ...);
/* The service said when to come back, by Retry-After for example. */
void *piton_retry_after(uint64_t wait_ms, const char *code, const char *format, ...);
/* Every attempt with this input would meet it: a card that was declined. */
void *piton_permanent(const char *code, const char *format, ...);
/* Nobody knows whether the effect is there: an answer that was lost. */
void *piton_unknown(const char *code, const char *format, ...);
/* Says of the failure that no attempt of this phase had any effect. When in doubt, leave it out. */
void piton_clean(void);
/* Adds to the failure anything a program may want to know. */
void piton_details(piton_json *details);
/* Tells whether this call has failed. */
bool piton_failed(void);
/* Returns the failure of this call, or NULL, and forgets it. For tests. */
piton_failure *piton_take_failure(void);

/* What a call can say while it is under way. */

void piton_trace(const char *format, ...);
void piton_debug(const char *format, ...);
void piton_info(const char *format, ...);
void piton_warn(const char *format, ...);
void piton_error(const char *format, ...);
/* Says how far the call has come, out of `total`, or of who knows how much where that is 0. */
void piton_progress(uint64_t done, uint64_t total, const char *message);
/* Books what this call costs, in millionths of `unit`. Five cents are `piton_usage("usd", 50000)`. */
void piton_usage(const char *unit, uint64_t micros);

/* Notes of this step, which outlast a crash. A key keeps its first value, in all phases. */

/* Returns the note under `key`, or NULL. To pay once: recall, and where it is NULL compute and remember. */
piton_json *piton_recall(const char *key);
/* Leaves a note, durable once this returns, and returns the one that is there. */
piton_json *piton_remember(const char *key, const piton_json *value);

/* What a step writes itself. */

piton_json *step_execute(const piton_context *ctx, piton_json *input);
void step_compensate(const piton_context *ctx, piton_json *input, piton_json *output,
                     const piton_failure *cause);

typedef enum { PITON_DONE, PITON_NOT_DONE, PITON_NOBODY_KNOWS } piton_outcome;

/* Looks up the call that carried `ctx->execute_key`, and changes nothing. Where it was done, `*output` is what
 * it would have returned. A step may leave this function out. */
piton_outcome step_reconcile(const piton_context *ctx, piton_json *input, piton_json **output);

#endif
