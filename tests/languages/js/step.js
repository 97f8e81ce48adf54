/**
 * Owns the step that every language has for the conformance suite; this is it in JavaScript.
 * Never does more than its input says: see `tests/languages/README.md`.
 */

import { Failure, NOT_DONE, UNKNOWN, done, log, memo, progress, read, usage } from './piton_step/index.js';

const INPUT = {
  do: 'text',
  value: 'any?',
  length: 'integer?',
  times: 'integer?',
  undo: 'text?',
  found: 'text?',
};

export function execute(ctx, input) {
  const told = read(INPUT, input);
  switch (told.do) {
    case 'echo':
      return { value: told.value };
    case 'large':
      return { text: 'é'.repeat(told.length) };
    case 'tell':
      return tell();
    case 'fail':
      throw failure(told.fail);
    case 'crash':
      throw new TypeError('told to crash');
    case 'busy':
      if (ctx.attempt <= told.times) throw Failure.retryable('busy', 'come again');
      return { value: told.value, attempt: ctx.attempt };
    case 'lost':
      if (ctx.attempt <= told.times) throw Failure.unknown('lost', 'who knows');
      return { value: told.value, attempt: ctx.attempt };
    case 'hang':
      while (ctx.attempt <= told.times);
      return { value: told.value, attempt: ctx.attempt };
    default:
      throw Failure.permanent('bad-input', `\`${told.do}\` is nothing to do`, { clean: true });
  }
}

export function compensate(ctx, input, output, cause) {
  const told = read(INPUT, input);
  if (told.undo === 'busy' && ctx.attempt === 1) throw Failure.retryable('busy', 'come again');
  const known = output === undefined ? 'none' : JSON.stringify(output);
  log.info(`undo output=${known} cause=${cause?.code ?? 'none'}`);
}

export function reconcile(ctx, input) {
  const { found } = read(INPUT, input);
  if (found === 'done') return done({ value: 'found' });
  return found === 'not-done' ? NOT_DONE : UNKNOWN;
}

function tell() {
  log.trace('a trace');
  log.debug('a debug');
  log.info('an info: é😀');
  log.warn('a warn');
  log.error('an error');
  progress(1, 2, 'half');
  progress(2, undefined, 'all');
  usage('usd', 50_000);
  usage('tokens', 3_000_000);
  let asked = 0;
  const once = () =>
    memo.once('answer', () => {
      asked += 1;
      return 42;
    });
  once();
  return { answer: once(), asked };
}

function failure({ kind, code, message, clean, details, wait_ms }) {
  const options = { clean, details };
  if (kind === 'retry-after') return Failure.retryAfter(wait_ms / 1000, code, message, options);
  return Failure[kind](code, message, options);
}
