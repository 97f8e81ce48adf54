/**
 * Owns durable notes within one step: what one attempt paid for, the next one reads.
 * Never forgets and never overwrites: a key keeps its first value, in all phases of the step.
 *
 *     const answer = memo.once(`answer/${question}`, () => ask(question));
 */

import { host } from './host.js';
import { write } from './text.js';

/**
 * Returns the note under `key`, or computes it and leaves it there. It is durable before this returns, so no
 * attempt of this step computes it again. Where `compute` throws nothing is noted.
 */
export function once(key, compute) {
  const text = host.recall(key);
  return text === undefined ? remember(key, compute()) : JSON.parse(text);
}

/** Returns the note under `key`, whichever attempt or phase left it, or undefined. */
export function recall(key) {
  const text = host.recall(key);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Leaves a note and returns the one that is there: the first value of a key stays. */
export function remember(key, value) {
  return JSON.parse(host.remember(key, write(value)));
}
