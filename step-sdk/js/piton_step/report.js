/**
 * Owns what a step tells while a call is under way.
 * Never keeps a sum: the host adds up.
 */

import { host } from './host.js';

/** Says how far the call has come, out of `total` where that is known. */
export function progress(done, total, message = '') {
  host.progress(done, total ?? undefined, message);
}

/**
 * Books what this call costs, in whole millionths of `unit`, however the attempt ends. Five cents are
 * `usage('usd', 50_000)`.
 */
export function usage(unit, micros) {
  if (!Number.isSafeInteger(Number(micros)) || micros < 0) {
    throw new TypeError(`usage is counted in whole millionths of ${unit}, and ${micros} is not`);
  }
  host.usage(unit, micros);
}
