/**
 * Owns what `reconcile` can answer about a lost call.
 * Never says how it was found out.
 */

/** It happened, and this is what it would have returned. */
export function done(output) {
  return { tag: 'done', output };
}

/** It did not happen, and cannot happen any more. */
export const NOT_DONE = Object.freeze({ tag: 'not-done' });

/** Nobody can tell. */
export const UNKNOWN = Object.freeze({ tag: 'unknown' });
