import { describe, expect, it } from 'vitest';

import { lastLines } from '../tail';

const printed = (text: string | string[], name = 'stdout') => ({
  output_type: 'stream' as const,
  name,
  text
});

describe('lastLines', () => {
  it('are the last ones of all streams, in their order', () => {
    const outputs = [
      printed('one\ntwo\n'),
      { output_type: 'display_data' as const, data: {}, metadata: {} },
      printed(['three\n', 'four\n\n'], 'stderr')
    ];
    expect(lastLines(outputs, 3)).toBe('two\nthree\nfour');
    expect(lastLines([], 3)).toBe('');
  });

  it('show a progress bar as it stands now', () => {
    expect(lastLines([printed('\r 10%\r 50%\r 90%')], 3)).toBe(' 90%');
  });

  it('obey no escape sequence', () => {
    const hostile =
      '\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1b]8;;http://x.invalid\x1b\\link\x1b(B \x1bcgone \u202egnp';
    expect(lastLines([printed(hostile)], 3)).toBe('red link gone \ufffdgnp');
  });
});
