import type { State, Verb } from '../api/types';
import { isFinal, isWaiting } from '../words';

/** Its cell runs, or is about to, or has just ended. */
export function isRunning(state: State): boolean {
  return !isFinal(state) && !isWaiting(state);
}

/** What may be asked for now, as `verbs_for` in `qhub_ext/job/state.py` has it. */
function verbsFor(state: State): readonly Verb[] {
  if (isFinal(state)) {
    return ['rerun', 'requeue'];
  }
  switch (state) {
    case 'held':
      return ['release', 'cancel'];
    case 'queued':
      return ['cancel', 'hold'];
    default:
      return ['cancel', 'requeue'];
  }
}

export function allows(verb: Verb, state: State): boolean {
  return verbsFor(state).includes(verb);
}
