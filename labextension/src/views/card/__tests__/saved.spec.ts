import { describe, expect, it } from 'vitest';

import { record } from '../../../__tests__/records';
import { readRecord, savedAt } from '../saved';

describe('readRecord', () => {
  it('reads back what a card saved', () => {
    const saved = record({ state: 'completed', ended_at: 1_790_000_100 });
    expect(readRecord({ ...saved } as never)).toEqual(saved);
    expect(savedAt(saved)).toBe(1_790_000_100);
  });

  it.each([
    null,
    undefined,
    'text',
    7,
    [],
    {},
    { id: 7 },
    { id: '../../etc/passwd' },
    { id: '01kayt4w2-7qm3xd/../x' }
  ])('refuses %j', data => {
    expect(readRecord(data as never)).toBeNull();
  });

  it('leaves out what is not of the right kind', () => {
    const read = readRecord({
      id: '01kayt4w2-7qm3xd',
      name: { toString: 'x' },
      state: 'constructor',
      shots: 'many',
      notes: [1, 'one'],
      attempts: [null, 'x', { number: 2, state: 'failed' }]
    });
    expect(read).toMatchObject({ name: '', state: 'lost', shots: null });
    expect(read?.notes).toEqual(['', 'one']);
    expect(read?.attempts.map(attempt => attempt.state)).toEqual([
      'lost',
      'lost',
      'failed'
    ]);
  });
});
