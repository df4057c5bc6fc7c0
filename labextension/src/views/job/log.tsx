import { useEffect, useLayoutEffect, useRef, useState } from 'react';

import { plain } from '../../words';
import type { JobContext } from './context';
import { Line, Screen } from './screen';

const NEAR_END_PX = 24;

/** What a job prints, as it prints it. It follows the end, unless somebody has scrolled up. */
export function Log(props: { context: JobContext }): JSX.Element {
  const { facets, trans } = props.context;
  const { log } = facets;
  const box = useRef<HTMLPreElement>(null);
  const [follows, setFollows] = useState(true);
  const following = useRef(true);
  /** How far down it was scrolled last from here. */
  const end = useRef(0);
  const [, again] = useState(0);

  const obey = (wish: boolean): void => {
    following.current = wish;
    setFollows(wish);
  };
  const toEnd = (): void => {
    const host = box.current!;
    host.scrollTop = host.scrollHeight;
    end.current = host.scrollTop;
  };
  /** Of a reader who scrolls up the browser tells a moment later: a piece that comes first must not pull them back. */
  const look = (): void => {
    const host = box.current!;
    if (following.current && host.scrollTop < end.current && !isAtEnd(host)) {
      obey(false);
    }
  };

  useEffect(() => {
    const host = box.current!;
    let screen = new Screen();
    let forgotten = 0;
    const draw = (text: string): void => {
      const first = screen.feed(text);
      while (forgotten < screen.forgotten && host.firstChild) {
        host.firstChild.remove();
        forgotten += 1;
      }
      forgotten = screen.forgotten;
      while (host.childNodes.length > first) {
        host.lastChild!.remove();
      }
      const lines = document.createDocumentFragment();
      for (const line of screen.lines.slice(first)) {
        lines.append(drawLine(line));
      }
      host.append(lines);
    };
    const restart = (): void => {
      screen = new Screen();
      forgotten = 0;
      host.replaceChildren();
      draw(log.text);
    };
    const take = (
      _: unknown,
      piece: { text: string } | { restart: true }
    ): void => {
      look();
      if ('restart' in piece) {
        restart();
      } else if (piece.text !== '') {
        draw(piece.text);
      }
      if (following.current) {
        toEnd();
      }
      again(count => count + 1);
    };
    restart();
    log.grown.connect(take);
    const watch = log.watch();
    return () => {
      log.grown.disconnect(take);
      watch.dispose();
    };
  }, [log]);

  // after each piece, and when the first one makes the box appear: one that is hidden cannot be scrolled
  useLayoutEffect(() => {
    look();
    if (following.current) {
      toEnd();
    }
  });

  return (
    <div className="qhub-Log jp-RenderedText">
      {log.trouble !== '' && (
        <p className="qhub-Job-trouble" role="alert">
          {plain(log.trouble, 500)}
        </p>
      )}
      {log.text === '' && (
        <p className="qhub-Job-empty">
          {log.isComplete
            ? trans.__('It has printed nothing.')
            : trans.__('It has printed nothing yet.')}
        </p>
      )}
      <pre
        ref={box}
        className="qhub-Log-lines"
        tabIndex={0}
        role="region"
        aria-label={trans.__('Log')}
        hidden={log.text === ''}
        onScroll={() => obey(isAtEnd(box.current!))}
      />
      {!follows && (
        <button
          type="button"
          className="qhub-Log-follow"
          onClick={() => {
            obey(true);
            toEnd();
          }}
        >
          {trans.__('To the end')}
        </button>
      )}
    </div>
  );
}

function isAtEnd(host: HTMLElement): boolean {
  const { scrollHeight, scrollTop, clientHeight } = host;
  return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
}

function drawLine(line: Line): HTMLElement {
  const row = document.createElement('div');
  for (const { text, classes, style } of line) {
    if (classes.length === 0 && Object.keys(style).length === 0) {
      row.append(text);
      continue;
    }
    const piece = document.createElement('span');
    piece.className = classes.join(' ');
    Object.assign(piece.style, style);
    piece.textContent = text;
    row.append(piece);
  }
  return row;
}
