/**
 * Owns how values become JSON texts.
 * Never writes what is no JSON: it throws, where `JSON.stringify` would write null.
 */

export function write(value) {
  if (typeof value?.then === 'function') {
    throw new TypeError('a promise has no form in JSON: a step is plain, not async');
  }
  return JSON.stringify(value === undefined ? null : value, (key, part) => {
    if (typeof part === 'number' && !Number.isFinite(part)) {
      throw new TypeError(`${part} has no form in JSON${key && ` (field \`${key}\`)`}`);
    }
    return part;
  });
}
