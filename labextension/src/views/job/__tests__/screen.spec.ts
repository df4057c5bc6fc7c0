import { describe, expect, it } from 'vitest';

import { Screen } from '../screen';

const texts = (screen: Screen) =>
  screen.lines.map(line => line.map(piece => piece.text).join(''));

describe('Screen', () => {
  it('tells the first line that a piece changed', () => {
    const screen = new Screen();
    expect(screen.feed('one\ntw')).toBe(0);
    expect(screen.feed('o\nthree')).toBe(1);
    expect(texts(screen)).toEqual(['one', 'two', 'three']);
  });

  it('shows a progress bar once, however often it redraws itself', () => {
    const screen = new Screen();
    screen.feed('go\n 10%\r 50%');
    screen.feed('\r100%\r\ndone');
    expect(texts(screen)).toEqual(['go', '100%', 'done']);
  });

  it.each([
    ['31', ['ansi-red-fg'], {}],
    ['1;4;94', ['ansi-bold', 'ansi-underline', 'ansi-blue-intense-fg'], {}],
    ['42', ['ansi-green-bg'], {}],
    ['38;5;9', ['ansi-red-intense-fg'], {}],
    ['38;5;208', [], { color: 'rgb(255, 135, 0)' }],
    ['48;2;1;2;999', [], { background: 'rgb(1, 2, 255)' }],
    ['31;0', [], {}],
    ['38;9', [], {}]
  ])('draws attributes %s', (attributes, classes, style) => {
    const screen = new Screen();
    screen.feed(`\x1b[${attributes}mx`);
    expect(screen.lines[0]).toEqual([{ text: 'x', classes, style }]);
  });

  it('reads a sequence that comes in two pieces', () => {
    const screen = new Screen();
    screen.feed('a\x1b[3');
    screen.feed('1mb');
    expect(texts(screen)).toEqual(['ab']);
    expect(screen.lines[0][1].classes).toEqual(['ansi-red-fg']);
  });

  it('obeys nothing but colours', () => {
    const screen = new Screen();
    screen.feed(
      'a\x1b]0;title\x07b\x1b]8;;http://x.invalid\x1b\\c\x1b[2Jd\x1b[10Ae\x1bcf\x00\u202e'
    );
    expect(texts(screen)).toEqual(['abcdef\ufffd\ufffd']);
  });

  it('forgets the beginning of a long log', () => {
    const screen = new Screen(3);
    screen.feed('1\n2\n3\n4\n5');
    expect(texts(screen)).toEqual(['3', '4', '5']);
    expect(screen.forgotten).toBe(2);
    expect(screen.feed('\n6')).toBe(1);
    expect(texts(screen)).toEqual(['4', '5', '6']);
  });
});
