/** Owns the entry of a component that is a step. Never imported by anything. */
import { stepOf } from './component.js';
import * as functions from 'piton:own-step';

export const step = stepOf(functions);
