/**
 * Owns lines in the run's log. In a component `console.log` and its kin end here, too.
 * Never decides which lines matter.
 */

import { host } from './host.js';

export const log = {
  /** For whoever follows each move. */
  trace: (message) => host.log('trace', String(message)),
  /** For whoever looks for a mistake. */
  debug: (message) => host.log('debug', String(message)),
  /** For everybody. */
  info: (message) => host.log('info', String(message)),
  /** Something is odd, and the step goes on. */
  warn: (message) => host.log('warn', String(message)),
  /** Something went wrong. */
  error: (message) => host.log('error', String(message)),
};
