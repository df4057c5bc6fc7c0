import type { TranslationBundle } from '@jupyterlab/translation';

import type { State } from './api/types';

/** Facts in words: the same as `qhub_ext/display/words.py` says in the kernel and the terminal. */

/** How a state looks: views turn it into `qhub-tone-…` classes. */
export type Tone = 'waiting' | 'busy' | 'good' | 'bad' | 'quiet';

const TONES: Record<State, Tone> = {
  created: 'waiting',
  submitted: 'waiting',
  queued: 'waiting',
  held: 'waiting',
  starting: 'busy',
  running: 'busy',
  finishing: 'busy',
  completed: 'good',
  failed: 'bad',
  timed_out: 'bad',
  cancelled: 'quiet',
  lost: 'bad'
};

export const STATES = Object.keys(TONES) as State[];

export function stateTone(state: State): Tone {
  return TONES[state] ?? 'quiet';
}

export function stateWord(state: State, trans: TranslationBundle): string {
  switch (state) {
    case 'created':
      return trans.__('created');
    case 'submitted':
      return trans.__('submitted');
    case 'queued':
      return trans.__('queued');
    case 'held':
      return trans.__('held');
    case 'starting':
      return trans.__('starting');
    case 'running':
      return trans.__('running');
    case 'finishing':
      return trans.__('finishing');
    case 'completed':
      return trans.__('completed');
    case 'failed':
      return trans.__('failed');
    case 'timed_out':
      return trans.__('timed out');
    case 'cancelled':
      return trans.__('cancelled');
    case 'lost':
      return trans.__('lost');
    default:
      return plain(String(state), 20);
  }
}

export function isFinal(state: State): boolean {
  return ['completed', 'failed', 'timed_out', 'cancelled', 'lost'].includes(
    state
  );
}

export function isWaiting(state: State): boolean {
  return ['created', 'submitted', 'queued', 'held'].includes(state);
}

/** `7.2 µs`, `26 ms`, `0.42 s`, `4.3 s`, `38 s`, `4 min 10 s`, `2 h 05 min`, `3 d 4 h`: as `duration` in the kernel says it, by `__tests__/durations.json`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) {
    return '–';
  }
  if (seconds > 0 && seconds < 0.0001) {
    return `${Number((seconds * 1e6).toPrecision(2))} µs`;
  }
  if (seconds > 0 && seconds < 0.1) {
    return `${Number((seconds * 1000).toPrecision(2))} ms`;
  }
  if (seconds > 0 && seconds < 1) {
    return `${Number(seconds.toPrecision(2))} s`;
  }
  if (seconds < 10 && seconds > 0 && !Number.isInteger(seconds)) {
    return `${seconds.toFixed(1)} s`;
  }
  const wholeSeconds = Math.max(0, Math.floor(seconds + 0.5));
  if (seconds < 90) {
    return `${wholeSeconds} s`;
  }
  const minutes = Math.floor(wholeSeconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${twoDigits(wholeSeconds % 60)} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? `${hours} h ${twoDigits(minutes % 60)} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Local wall-clock time, with the date when it is not today's. */
export function moment(
  at: number | null | undefined,
  now = Date.now() / 1000
): string {
  if (at === null || at === undefined || !isFinite(at)) {
    return '–';
  }
  const then = new Date(at * 1000);
  const day = [
    then.getFullYear(),
    twoDigits(then.getMonth() + 1),
    twoDigits(then.getDate())
  ].join('-');
  const clock = `${twoDigits(then.getHours())}:${twoDigits(then.getMinutes())}`;
  return then.toDateString() === new Date(now * 1000).toDateString()
    ? `${clock}:${twoDigits(then.getSeconds())}`
    : `${day} ${clock}`;
}

/** `4000`, `100,000`. */
export function whole(count: number): string {
  return count < 10_000 ? String(count) : count.toLocaleString('en');
}

/** Bytes: `512 B`, `43.7 kB`, `1.2 MB` (powers of ten). */
export function size(bytes: number): string {
  let count = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (count < 1000 || unit === 'GB') {
      return `${unit === 'B' || count >= 100 ? count.toFixed(0) : count.toFixed(1)} ${unit}`;
    }
    count /= 1000;
  }
  return '';
}

/** One line without control characters or invisible marks but the joiners of emoji and letters, cut with an ellipsis at `width`. */
export function plain(text: string, width = Infinity): string {
  const line = text
    .replace(/\n/g, '⏎')
    .replace(/\t/g, ' ')
    .replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\ufffd');
  const letters = [...line];
  return letters.length <= width
    ? line
    : letters.slice(0, width - 1).join('') + '…';
}

/** The part of an id behind its hyphen: `01kayt4w2-7qm3xd.7` -> `7qm3xd.7`. */
export function shortId(id: string): string {
  return id.slice(id.indexOf('-') + 1);
}

function twoDigits(count: number): string {
  return String(count).padStart(2, '0');
}
