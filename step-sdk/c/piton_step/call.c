/*
 * Owns how a call fails, and what it says while it is under way.
 * Never reaches the contract itself: see `host.h`.
 */
#include "host.h"
#include "piton_step.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static piton_failure failure;
static bool has_failed;

static char *format_list(const char *format, va_list parts) {
    va_list again;
    va_copy(again, parts);
    int length = vsnprintf(NULL, 0, format, parts);
    char *text = calloc(1, length < 0 ? 1 : (size_t)length + 1);
    if (text == NULL) abort();
    if (length > 0) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *piton_format(const char *format, ...) {
    va_list parts;
    va_start(parts, format);
    char *text = format_list(format, parts);
    va_end(parts);
    return text;
}

static void fail(const char *kind, uint64_t wait_ms, const char *code, char *message) {
    if (has_failed) return;
    has_failed = true;
    failure = (piton_failure){kind, wait_ms, false, code, message, NULL};
}

#define FAILURE(kind, wait_ms)                          \
    va_list parts;                                      \
    va_start(parts, format);                            \
    fail(kind, wait_ms, code, format_list(format, parts)); \
    va_end(parts);                                      \
    return NULL

void *piton_retryable(const char *code, const char *format, ...) { FAILURE("retryable", 0); }

void *piton_retry_after(uint64_t wait_ms, const char *code, const char *format, ...) {
    FAILURE("retry-after", wait_ms);
}

void *piton_permanent(const char *code, const char *format, ...) { FAILURE("permanent", 0); }

void *piton_unknown(const char *code, const char *format, ...) { FAILURE("unknown", 0); }

void piton_clean(void) { failure.clean = has_failed; }

void piton_details(piton_json *details) {
    if (has_failed) failure.details = details;
}

bool piton_failed(void) { return has_failed; }

piton_failure *piton_take_failure(void) {
    if (!has_failed) return NULL;
    piton_failure *taken = calloc(1, sizeof *taken);
    if (taken == NULL) abort();
    *taken = failure;
    has_failed = false;
    return taken;
}

#define LINE(level)                                  \
    va_list parts;                                   \
    va_start(parts, format);                         \
    piton_host_log(level, format_list(format, parts)); \
    va_end(parts)

void piton_trace(const char *format, ...) { LINE(0); }

void piton_debug(const char *format, ...) { LINE(1); }

void piton_info(const char *format, ...) { LINE(2); }

void piton_warn(const char *format, ...) { LINE(3); }

void piton_error(const char *format, ...) { LINE(4); }

void piton_progress(uint64_t done, uint64_t total, const char *message) {
    piton_host_progress(done, total, message);
}

void piton_usage(const char *unit, uint64_t micros) { piton_host_usage(unit, micros); }

piton_json *piton_recall(const char *key) {
    const char *text = piton_host_recall(key);
    return text == NULL ? NULL : piton_read(text, NULL);
}

piton_json *piton_remember(const char *key, const piton_json *value) {
    return piton_read(piton_host_remember(key, piton_write(value)), NULL);
}
