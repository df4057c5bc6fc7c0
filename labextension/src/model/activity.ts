import type { TranslationBundle } from '@jupyterlab/translation';

import type { State } from '../api/types';

/** `2 running, 1 queued, 1 held`; '' where nothing runs or waits. */
export function activityWords(
  counts: Partial<Record<State, number>>,
  trans: TranslationBundle
): string {
  const of = (...states: State[]) =>
    states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const running = of('starting', 'running', 'finishing');
  const queued = of('created', 'submitted', 'queued');
  const held = of('held');
  return [
    running > 0 ? trans.__('%1 running', running) : '',
    queued > 0 ? trans.__('%1 queued', queued) : '',
    held > 0 ? trans.__('%1 held', held) : ''
  ]
    .filter(Boolean)
    .join(', ');
}
