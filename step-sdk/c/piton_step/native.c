/*
 * Owns stand-ins for the host, so that a test can run a step on any machine: they print and remember.
 * Never part of a component.
 */
#ifndef __wasm__
#include "host.h"
#include "piton_step.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct note {
    const char *key;
    const char *value;
    struct note *next;
} note;

static note *notes;

void piton_host_log(int level, const char *message) {
    static const char *LEVELS[] = {"trace", "debug", "info", "warn", "error"};
    fprintf(stderr, "%s: %s\n", LEVELS[level], message);
}

void piton_host_progress(uint64_t done, uint64_t total, const char *message) {
    fprintf(stderr, "progress %" PRIu64 "/%" PRIu64 ": %s\n", done, total, message);
}

void piton_host_usage(const char *unit, uint64_t micros) {
    fprintf(stderr, "usage %s: %" PRIu64 " millionths\n", unit, micros);
}

const char *piton_host_recall(const char *key) {
    for (note *at = notes; at != NULL; at = at->next) {
        if (strcmp(at->key, key) == 0) return at->value;
    }
    return NULL;
}

const char *piton_host_remember(const char *key, const char *value) {
    const char *first = piton_host_recall(key);
    if (first != NULL) return first;
    note *made = calloc(1, sizeof *made);
    if (made == NULL) abort();
    *made = (note){piton_format("%s", key), value, notes};
    notes = made;
    return value;
}
#else
/* No file is empty in C. */
typedef int piton_no_stand_ins;
#endif
