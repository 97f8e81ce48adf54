/**
 * Owns how a step says that a call failed, and what that means for the next attempt.
 * Never decides about that attempt: the manifest may overrule any kind.
 */

/**
 * A call that did not succeed. Make one with the four functions below, and throw it. `code` is a short word
 * that stays the same between versions, for rules in the manifest; `message` a sentence or two for people;
 * `details` any JSON value, for programs. `clean` says that no attempt of this phase had any effect, so that
 * no undo is owed: when in doubt, leave it out.
 */
export class Failure extends Error {
  constructor(kind, code, message, { clean = false, details, waitMs = 0 } = {}) {
    super(message);
    this.name = 'Failure';
    Object.assign(this, { kind, code, clean, details, waitMs });
  }

  /** A later attempt may not meet it: a busy service, a broken line. */
  static retryable(code, message, options) {
    return new Failure('retryable', code, message, options);
  }

  /** The service said when to come back, by `Retry-After` for example. Rounded up to milliseconds. */
  static retryAfter(seconds, code, message, options) {
    const waitMs = Math.max(Math.ceil(seconds * 1000), 0);
    return new Failure('retry-after', code, message, { ...options, waitMs });
  }

  /** Every attempt with this input would meet it: a card that was declined. */
  static permanent(code, message, options) {
    return new Failure('permanent', code, message, options);
  }

  /** Nobody knows whether the effect is there: an answer that was lost. */
  static unknown(code, message, options) {
    return new Failure('unknown', code, message, options);
  }
}
