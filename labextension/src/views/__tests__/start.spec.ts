import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { moment } from '../../words';
import { beginWords, startWords } from '../start';

const NOW = 1_790_000_000;
const trans = nullTranslator.load('qhub_ext');

describe('the words about the begin of a task', () => {
  it.each([
    [null, null, 'Nobody can say when it begins.'],
    [NOW, null, `It begins at ${moment(NOW)} at the earliest.`],
    [
      NOW,
      NOW + 60,
      `It is expected to begin between ${moment(NOW)} and ${moment(NOW + 60)}.`
    ]
  ])('from %j to %j', (earliest, latest, words) => {
    expect(beginWords({ earliest, latest }, trans)).toBe(words);
  });
});

describe('the words about a start', () => {
  it.each([
    [null, null, 'Nobody can say when it starts.'],
    [NOW, null, /no latest moment/],
    [NOW, NOW, 'It may start at any moment.'],
    [NOW, NOW + 60, `It starts by ${moment(NOW + 60)} at the latest.`],
    [NOW + 60, NOW + 60, `It is planned to start at ${moment(NOW + 60)}.`],
    [NOW + 60, NOW + 120, /between .* and /]
  ])('from %j to %j', (earliest, latest, words) => {
    const told = startWords({ earliest, latest, why: '', as_of: NOW }, trans);
    expect(told).toMatch(words);
  });
});
