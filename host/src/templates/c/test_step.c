/*
 * Owns the tests of the step.
 * Never part of the component.
 */
#include "piton_step/piton_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const piton_context CONTEXT = {"run", "step", 1, "key", "key", 30000};

static piton_json *order(long long quantity) {
    piton_json *input = piton_set(piton_object(), "sku", piton_text_of("rope"));
    return piton_set(input, "quantity", piton_integer_of(quantity));
}

static void check(bool holds, const char *what) {
    printf("%s: %s\n", holds ? "ok" : "WRONG", what);
    if (!holds) exit(1);
}

int main(void) {
    piton_json *output = step_execute(&CONTEXT, order(2));
    check(piton_integer(output, "price_cents") == 208, "two ropes have a price");

    step_execute(&CONTEXT, order(101));
    piton_failure *failure = piton_take_failure();
    check(failure != NULL && failure->clean && strcmp(failure->code, "no-stock") == 0,
          "too many leave nothing to undo");

    step_compensate(&CONTEXT, order(2), NULL, NULL);
    check(!piton_failed(), "an undo may come for nothing");
    return 0;
}
