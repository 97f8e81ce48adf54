/*
 * Owns the calls that a step makes to its host: in a component `component.c` has them, in a test `native.c`.
 * Never called by a step directly: see `piton_step.h`.
 */
#ifndef PITON_HOST_H
#define PITON_HOST_H

#include <stdint.h>

void piton_host_log(int level, const char *message);
void piton_host_progress(uint64_t done, uint64_t total, const char *message);
void piton_host_usage(const char *unit, uint64_t micros);
const char *piton_host_recall(const char *key);
const char *piton_host_remember(const char *key, const char *value);

#endif
