/*
 * Owns the step `{{name}}`: it sets goods aside, and gives them back.
 * Never charges or ships: one step, one effect.
 */
#include "piton_step/piton_step.h"

#include <string.h>

#define PIECES_MAX 100

/* Pretends to ask a service that wants a tenth of a cent for its answer. */
static long long ask_price(const char *sku) {
    piton_usage("usd", 1000);
    return 100 + (long long)strlen(sku);
}

piton_json *step_execute(const piton_context *ctx, piton_json *input) {
    const char *sku = piton_text(input, "sku");
    long long quantity = piton_integer(input, "quantity");
    if (piton_failed()) return NULL;
    if (quantity > PIECES_MAX) {
        piton_permanent("no-stock", "there are no %lld of %s", quantity, sku);
        piton_clean();
        return NULL;
    }
    /* Asked for once, however often this step is tried. */
    const char *note = piton_format("price/%s", sku);
    piton_json *price = piton_recall(note);
    if (price == NULL) {
        price = piton_set(piton_object(), "cents", piton_integer_of(ask_price(sku)));
        price = piton_remember(note, price);
    }
    long long piece = piton_integer(price, "cents");
    /* Here a real step calls its service, with the key in the request. */
    piton_info("set %lld of %s aside", quantity, sku);
    piton_json *output = piton_object();
    piton_set(output, "reservation", piton_text_of(ctx->idempotency_key));
    return piton_set(output, "price_cents", piton_integer_of(piece * quantity));
}

void step_compensate(const piton_context *ctx, piton_json *input, piton_json *output,
                     const piton_failure *cause) {
    (void)cause;
    const char *sku = piton_text(input, "sku");
    long long quantity = piton_integer(input, "quantity");
    if (piton_failed()) return;
    /* Without an output nobody knows whether goods were set aside: then look for them by this key. */
    const char *reservation =
        output == NULL ? ctx->execute_key : piton_text(output, "reservation");
    piton_info("gave %lld of %s back: %s", quantity, sku, reservation);
}
