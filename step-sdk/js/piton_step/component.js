/**
 * Owns the way between the contract's calls and the functions of a step: JSON texts become values, what is
 * thrown becomes a failure.
 * Never imported by a step, and never outside a component: `piton build` makes its two entries from here.
 */

import { log } from 'piton:step/log@0.1.0';
import { recall, remember } from 'piton:step/memo@0.1.0';
import { progress, usage } from 'piton:step/report@0.1.0';

import { Failure } from './failure.js';
import { host } from './host.js';
import { write } from './text.js';

// The engine's bindings take whole numbers of 64 bits as plain numbers, and no bigint.
Object.assign(host, {
  log,
  recall: (key) => recall(key) ?? undefined,
  remember,
  progress: (done, total, message) => {
    progress(Number(done), total === undefined ? undefined : Number(total), message);
  },
  usage: (unit, micros) => usage(unit, Number(micros)),
});

/** The engine has no console. Lines of it go where those of `log` go. */
function speak(level) {
  return (...parts) => log(level, parts.map(textOf).join(' '));
}

globalThis.console = {
  debug: speak('debug'),
  error: speak('error'),
  info: speak('info'),
  log: speak('info'),
  trace: speak('trace'),
  warn: speak('warn'),
};

function textOf(part) {
  if (typeof part === 'string') return part;
  if (part instanceof Error) return `${part}\n${part.stack}`;
  try {
    return JSON.stringify(part) ?? String(part);
  } catch {
    return String(part);
  }
}

/** Makes the interface `step` of a step's functions. */
export function stepOf(functions) {
  return {
    execute: (ctx, input) =>
      call(() => writeOutput(functions.execute(contextOf(ctx), readInput(input)))),
    compensate: (ctx, input, output, cause) =>
      call(() => {
        const known = output === undefined || output === null ? undefined : JSON.parse(output);
        const undone = functions.compensate(contextOf(ctx), readInput(input), known, causeOf(cause));
        if (typeof undone?.then === 'function') throw new TypeError('compensate must not be async');
      }),
  };
}

/** Makes the interface `reconcile` of a step's functions. */
export function reconcileOf(functions) {
  return {
    reconcile: (ctx, input) =>
      call(() => {
        const outcome = functions.reconcile(contextOf(ctx), readInput(input));
        switch (outcome?.tag) {
          case 'done':
            return { tag: 'done', val: writeOutput(outcome.output) };
          case 'not-done':
          case 'unknown':
            return { tag: outcome.tag };
          default:
            throw new TypeError('reconcile returns done(output), NOT_DONE or UNKNOWN');
        }
      }),
  };
}

function call(run) {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof Failure) throw failureOf(thrown);
    log('error', textOf(thrown));
    throw failureOf(uncaught(thrown));
  }
}

/** Names what was thrown, and the function that it came from. */
function uncaught(thrown) {
  const place = /at (\w+)/.exec(thrown?.stack ?? '');
  return Failure.permanent('uncaught', `${thrown}${place ? ` (in ${place[1]})` : ''}`);
}

function readInput(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw Failure.permanent('bad-input', `the input cannot be read: ${error.message}`, { clean: true });
  }
}

function writeOutput(value) {
  try {
    return write(value);
  } catch (error) {
    throw Failure.permanent('bad-output', `the output cannot be written as JSON: ${error.message}`);
  }
}

function contextOf(ctx) {
  const { runId, step, attempt, idempotencyKey, executeKey, timeLeftMs } = ctx;
  return { runId, step, attempt, idempotencyKey, executeKey, timeLeftMs: Number(timeLeftMs) };
}

function failureOf(failure) {
  let message = String(failure.message);
  let details;
  if (failure.details !== undefined) {
    try {
      details = write(failure.details);
    } catch (error) {
      message += ` (details left out: ${error.message})`;
    }
  }
  const kind =
    failure.kind === 'retry-after'
      ? { tag: failure.kind, val: failure.waitMs }
      : { tag: failure.kind };
  return { kind, clean: Boolean(failure.clean), code: String(failure.code), message, details };
}

function causeOf(cause) {
  if (!cause) return undefined;
  const { kind, clean, code, message, details } = cause;
  return new Failure(kind.tag, code, message, {
    clean,
    details: details === undefined || details === null ? undefined : JSON.parse(details),
    waitMs: Number(kind.val ?? 0),
  });
}
