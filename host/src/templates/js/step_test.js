/** Owns the tests of the step. Never part of the component. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { testContext } from './piton_step/index.js';
import { compensate, execute } from './step.js';

test('two ropes have a price', () => {
  const output = execute(testContext(), { sku: 'rope', quantity: 2 });
  assert.equal(output.price_cents, 208);
});

test('too many leave nothing to undo', () => {
  const tooMany = () => execute(testContext(), { sku: 'rope', quantity: 101 });
  assert.throws(tooMany, { code: 'no-stock', clean: true });
});

test('an undo may come for nothing', () => {
  compensate(testContext(), { sku: 'rope', quantity: 2 }, undefined, undefined);
});
