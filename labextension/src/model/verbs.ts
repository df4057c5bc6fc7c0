import type { State, Verb } from '../api/types';
import { isFinal, isWaiting } from '../words';

/** Its cell runs, or is about to, or has just ended. */
export function isRunning(state: State): boolean {
  return !isFinal(state) && !isWaiting(state);
}

/** Whether a verb makes sense for a job in this state; the server has the last word. */
export function allows(verb: Verb, state: State): boolean {
  switch (verb) {
    case 'cancel':
      return !isFinal(state);
    case 'hold':
      return state === 'queued' || state === 'submitted';
    case 'release':
      return state === 'held';
    case 'requeue':
      return state !== 'queued' && state !== 'held';
    case 'rerun':
      return true;
  }
}
