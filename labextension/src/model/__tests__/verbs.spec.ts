import { expect, it } from 'vitest';

import { allows } from '../verbs';

it('offers only the verbs that make sense in a state', () => {
  expect(allows('cancel', 'running')).toBe(true);
  expect(allows('cancel', 'completed')).toBe(false);
  expect(allows('hold', 'queued')).toBe(true);
  expect(allows('hold', 'running')).toBe(false);
  expect(allows('release', 'held')).toBe(true);
  expect(allows('release', 'queued')).toBe(false);
  expect(allows('requeue', 'failed')).toBe(true);
  expect(allows('requeue', 'queued')).toBe(false);
});
