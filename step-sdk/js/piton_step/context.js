/**
 * Owns what a step is told about the call that it is in.
 * Never changes during that call.
 */

/** Makes a context for a test: `testContext({ attempt: 2 })`. */
export function testContext(fields = {}) {
  return {
    runId: '00000000-0000-7000-8000-000000000000',
    step: 'step',
    attempt: 1,
    idempotencyKey: '00000000-0000-5000-8000-000000000001',
    executeKey: '00000000-0000-5000-8000-000000000001',
    timeLeftMs: 30_000,
    ...fields,
  };
}
