import { describe, expect, it } from 'vitest';

import { asJob } from '../runcell';

describe('asJob', () => {
  it.each([
    ['x = 1', {}, '%%qpu\nx = 1'],
    ['x = 1', { tier: 'emulation' }, '%%qpu --tier emulation\nx = 1'],
    [
      '%%time\nx',
      { tier: 'qpu', device: 'fez' },
      '%%qpu --tier qpu --device fez\n%%time\nx'
    ],
    [
      '%%qpu --shots 10 --tier local \nx',
      { tier: 'qpu' },
      '%%qpu --shots 10 --tier local --tier qpu\nx'
    ],
    ['\n%%qpu\nx', {}, '\n%%qpu\nx'],
    ['x', { device: 'a b; rm' }, '%%qpu\nx']
  ])('makes of %j on %j the cell %j', (source, where, code) => {
    expect(asJob(source, where as never)).toBe(code);
  });
});
