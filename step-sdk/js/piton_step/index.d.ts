/** Owns the types of `index.js`, for editors and for steps in TypeScript. Never holds code. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The call, as the host describes it. */
export interface Context {
  /** Which run this is: a UUID. */
  readonly runId: string;
  /** The name the manifest gives this step; an element of a map carries its `[index]`. */
  readonly step: string;
  /** Which attempt of this phase this is, from 1. */
  readonly attempt: number;
  /** The name of this piece of work, the same in all attempts of one phase. */
  readonly idempotencyKey: string;
  /** The idempotency key that `execute` had: what to search for when undoing. */
  readonly executeKey: string;
  /** How long this call may still take, in milliseconds. */
  readonly timeLeftMs: number;
}

export function testContext(fields?: Partial<Context>): Context;

export interface FailureOptions {
  clean?: boolean;
  details?: unknown;
}

export class Failure extends Error {
  readonly kind: 'retryable' | 'retry-after' | 'permanent' | 'unknown';
  readonly code: string;
  readonly clean: boolean;
  readonly details?: unknown;
  readonly waitMs: number;
  static retryable(code: string, message: string, options?: FailureOptions): Failure;
  static retryAfter(seconds: number, code: string, message: string, options?: FailureOptions): Failure;
  static permanent(code: string, message: string, options?: FailureOptions): Failure;
  static unknown(code: string, message: string, options?: FailureOptions): Failure;
}

export const log: Record<'trace' | 'debug' | 'info' | 'warn' | 'error', (message: unknown) => void>;
export function progress(done: number, total?: number, message?: string): void;
export function usage(unit: string, micros: number): void;

export namespace memo {
  function once<T>(key: string, compute: () => T): T;
  function recall(key: string): unknown;
  function remember<T>(key: string, value: T): T;
}

export type Outcome = { tag: 'done'; output: unknown } | { tag: 'not-done' } | { tag: 'unknown' };
export function done(output: unknown): Outcome;
export const NOT_DONE: Outcome;
export const UNKNOWN: Outcome;

export function read<T = any>(shape: unknown, value: unknown): T;
