/**
 * Owns the step `{{name}}`: it sets goods aside, and gives them back.
 * Never charges or ships: one step, one effect.
 */

import { Failure, log, memo, read, usage } from './piton_step/index.js';

const PIECES_MAX = 100;
const ORDER = { sku: 'text', quantity: 'integer' };

export function execute(ctx, input) {
  const { sku, quantity } = read(ORDER, input);
  if (quantity > PIECES_MAX) {
    throw Failure.permanent('no-stock', `there are no ${quantity} of ${sku}`, { clean: true });
  }
  // Asked for once, however often this step is tried.
  const piece = memo.once(`price/${sku}`, () => askPrice(sku));
  // Here a real step calls its service, with the key in the request.
  log.info(`set ${quantity} of ${sku} aside`);
  return { reservation: ctx.idempotencyKey, price_cents: piece * quantity };
}

export function compensate(ctx, input, output, cause) {
  const { sku, quantity } = read(ORDER, input);
  // Without an output nobody knows whether goods were set aside: then look for them by this key.
  const reservation = output?.reservation ?? ctx.executeKey;
  log.info(`gave ${quantity} of ${sku} back: ${reservation}`);
}

/** Pretends to ask a service that wants a tenth of a cent for its answer. */
function askPrice(sku) {
  usage('usd', 1_000);
  return 100 + sku.length;
}
