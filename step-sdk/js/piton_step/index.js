/**
 * Owns the guest's side of the contract: what a step written in JavaScript or TypeScript sees of piton.
 * Never decides whether, when or how often a step runs.
 *
 * A step is a file `step.js` (or `step.ts`) that exports two functions:
 *
 *     import { Failure } from './piton_step/index.js';
 *
 *     export function execute(ctx, input) {
 *       if (input.quantity > 100) {
 *         throw Failure.permanent('no-stock', 'no 100 of these', { clean: true });
 *       }
 *       // Call the service here, with `ctx.idempotencyKey` in the request.
 *       return { id: ctx.idempotencyKey };
 *     }
 *
 *     export function compensate(ctx, input, output, cause) {
 *       // Look for the effect by `ctx.executeKey`, and take it back if it is there.
 *     }
 *
 * `input`, `output` and what `execute` returns are JSON values. As everywhere in JavaScript a whole number
 * beyond 2^53 is not exact: pass such a number as a text. The functions are plain, not async.
 * With a third function `reconcile(ctx, input)` the step can also tell what became of a call whose answer
 * was lost: it returns `done(output)`, `NOT_DONE` or `UNKNOWN`, and changes nothing.
 *
 * The rules of a good step:
 *
 * - A call may come again, always with the same `ctx.idempotencyKey`. Send it with each request that
 *   changes something.
 * - An undo may come for nothing. `compensate` without an output asks about an `execute` whose result
 *   nobody knows: look for the effect by `ctx.executeKey`. Nothing found is success.
 * - Say what a failure means: throw `Failure.retryable`, `.retryAfter`, `.permanent` or `.unknown`, with
 *   `{ clean: true }` where nothing happened at all. Anything else thrown ends as permanent `uncaught`.
 * - Never wait inside a step for a person or a date, and never retry in a loop: the manifest does both.
 *
 * In a component the functions here speak to the host. Under `node --test` on your own machine logs,
 * progress and usage go to standard error, and notes live as long as the process.
 */

export { Failure } from './failure.js';
export { log } from './log.js';
export * as memo from './memo.js';
export { NOT_DONE, UNKNOWN, done } from './outcome.js';
export { progress, usage } from './report.js';
export { read } from './shape.js';
export { testContext } from './context.js';
