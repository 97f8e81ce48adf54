/**
 * Owns how an input is checked against a shape, so that a wrong input ends as a permanent, clean failure
 * `bad-input` that names the field.
 * Never guesses: a number in a text is no number.
 *
 *     const order = read({ sku: 'text', quantity: 'integer', note: 'text?', lines: [{ id: 'text' }] }, input);
 *
 * A shape is `text`, `integer`, `number`, `boolean` or `any`; with a `?` it may be null or missing; an array
 * with one shape is a list of such; an object has shapes by field, and ignores other fields.
 */

import { Failure } from './failure.js';

const CHECKS = {
  any: ['anything', () => true],
  boolean: ['true or false', (value) => typeof value === 'boolean'],
  integer: ['a whole number', (value) => Number.isSafeInteger(value)],
  list: ['a list', (value) => Array.isArray(value)],
  number: ['a number', (value) => typeof value === 'number'],
  object: ['an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)],
  text: ['a text', (value) => typeof value === 'string'],
};

/** Returns the value once it fits the shape. */
export function read(shape, value) {
  check(shape, value, '');
  return value;
}

function check(shape, value, path) {
  if (typeof shape === 'string') {
    const isOptional = shape.endsWith('?');
    if (isOptional && (value === undefined || value === null)) return;
    checkKind(isOptional ? shape.slice(0, -1) : shape, value, path);
  } else if (Array.isArray(shape)) {
    checkKind('list', value, path);
    value.forEach((item, index) => check(shape[0], item, `${path}[${index}]`));
  } else {
    checkKind('object', value, path);
    for (const [name, part] of Object.entries(shape)) {
      check(part, value[name], path ? `${path}.${name}` : name);
    }
  }
}

function checkKind(kind, value, path) {
  if (!(kind in CHECKS)) throw new TypeError(`there is no shape \`${kind}\``);
  const [name, fits] = CHECKS[kind];
  if (value === undefined) throw bad(path ? `missing field \`${path}\`` : 'the input is missing');
  if (!fits(value)) {
    throw bad(`${path ? `field \`${path}\`` : 'the input'} must be ${name}, and is ${nameOf(value)}`);
  }
}

function nameOf(value) {
  if (value === null) return 'null';
  const kinds = ['boolean', 'integer', 'number', 'text', 'list', 'object'];
  return CHECKS[kinds.find((kind) => CHECKS[kind][1](value))][0];
}

function bad(message) {
  return Failure.permanent('bad-input', message, { clean: true });
}
