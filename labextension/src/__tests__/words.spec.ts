import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import {
  duration,
  isFinal,
  isWaiting,
  moment,
  plain,
  shortId,
  size,
  STATES,
  stateTone,
  stateWord,
  whole
} from '../words';
import durations from './durations.json';

const trans = nullTranslator.load('qhub_ext');

describe('words', () => {
  it('have a tone and a word for every state', () => {
    for (const state of STATES) {
      expect(stateTone(state)).toBeTruthy();
      expect(stateWord(state, trans)).toBe(state.replace('_', ' '));
    }
    expect(STATES.filter(isFinal)).toHaveLength(5);
    expect(STATES.filter(isWaiting)).toHaveLength(4);
  });

  it('say a state of a newer server as it is', () => {
    const unheard = 'paused' as never;
    expect(stateWord(unheard, trans)).toBe('paused');
    expect(stateTone(unheard)).toBe('quiet');
  });

  it.each([...durations, [NaN, '–']] as [number | null, string][])(
    'say %s s as %s',
    (seconds, told) => {
      expect(duration(seconds)).toBe(told);
    }
  );

  it('give the date of a moment only where it is not today', () => {
    const noon = new Date(2026, 10, 27, 12, 5, 9).getTime() / 1000;
    expect(moment(noon, noon + 60)).toBe('12:05:09');
    expect(moment(noon, noon + 86_400)).toBe('2026-11-27 12:05');
    expect(moment(null)).toBe('–');
  });

  it('say sizes in powers of ten', () => {
    expect([512, 43_700, 1_200_000, 2e12].map(size)).toEqual([
      '512 B',
      '43.7 kB',
      '1.2 MB',
      '2000 GB'
    ]);
  });

  it('group the digits of large numbers', () => {
    expect([0, 4000, 12_000, 1_234_567].map(whole)).toEqual([
      '0',
      '4000',
      '12,000',
      '1,234,567'
    ]);
  });

  it('make hostile text harmless and short', () => {
    expect(plain('a\nb\tc\x1b[31m\u202e')).toBe('a⏎b c\ufffd[31m\ufffd');
    expect(plain('abcdef', 4)).toBe('abc…');
    expect(plain('👩\u200d🔬')).toBe('👩\u200d🔬');
    expect(shortId('01kayt4w2-7qm3xd.7')).toBe('7qm3xd.7');
  });
});
