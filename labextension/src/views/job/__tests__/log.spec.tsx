import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';

import type { LogPiece } from '../../../model/log';
import type { JobContext } from '../context';
import { Log } from '../log';

const LINE_PX = 20;
const SEEN_PX = 100;

/** A log in the model's place, to which a test adds lines. */
class Printed {
  text = '';
  trouble = '';
  isComplete = false;
  readonly grown = new Signal<this, LogPiece>(this);
  watch = (): object => ({ dispose: () => undefined });

  print(lines: number): void {
    const text = 'a line\n'.repeat(lines);
    this.text += text;
    act(() => this.grown.emit({ text }));
  }
}

function show(log: Printed): HTMLElement {
  const trans = nullTranslator.load('qhub_ext');
  const context = { facets: { log }, trans } as unknown as JobContext;
  const { container } = render(<Log context={context} />);
  const box = container.querySelector('pre')!;
  let top = 0;
  const height = (): number => box.childNodes.length * LINE_PX;
  // as a browser lays it out
  Object.defineProperties(box, {
    clientHeight: { get: () => SEEN_PX },
    scrollHeight: { get: height },
    scrollTop: {
      get: () => top,
      set: (wish: number) => {
        top = Math.max(0, Math.min(wish, height() - SEEN_PX));
      }
    }
  });
  return box;
}

function isAtEnd(box: HTMLElement): boolean {
  return box.scrollTop === box.scrollHeight - SEEN_PX;
}

afterEach(cleanup);

describe('a log that grows', () => {
  it('is followed to its end', () => {
    const log = new Printed();
    const box = show(log);
    log.print(50);
    expect(isAtEnd(box)).toBe(true);
    log.print(50);
    expect(isAtEnd(box)).toBe(true);
  });

  it('leaves a reader who scrolled up in peace, even before the browser has told of it', () => {
    const log = new Printed();
    const box = show(log);
    log.print(50);
    box.scrollTop = 300;
    log.print(1);
    expect(box.scrollTop).toBe(300);
    act(() => screen.getByRole('button', { name: 'To the end' }).click());
    expect(isAtEnd(box)).toBe(true);
    log.print(1);
    expect(isAtEnd(box)).toBe(true);
  });
});
