/** Owns the entry of a component that is a step and can tell of lost calls. Never imported by anything. */
import { reconcileOf, stepOf } from './component.js';
import * as functions from 'piton:own-step';

export const step = stepOf(functions);
export const reconcile = reconcileOf(functions);
