/**
 * Owns the calls that a step makes to its host. Here are stand-ins that print and remember, so that unit
 * tests can run a step; in a component `component.js` puts the contract's imports in their place.
 * Never called by a step directly: see `log.js`, `report.js` and `memo.js`.
 */

const notes = new Map();

export const host = {
  log(level, message) {
    console.error(`${level}: ${message}`);
  },
  progress(done, total, message) {
    console.error(`progress ${done}${total === undefined ? '' : `/${total}`}: ${message}`);
  },
  usage(unit, micros) {
    console.error(`usage ${unit}: ${micros} millionths`);
  },
  recall(key) {
    return notes.get(key);
  },
  remember(key, value) {
    if (!notes.has(key)) notes.set(key, value);
    return notes.get(key);
  },
};
