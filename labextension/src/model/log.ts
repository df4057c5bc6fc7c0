import type { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { isFinal } from '../words';
import { Audience } from './audience';
import type { JobModel } from './job';
import type { JobsModel } from './jobs';

const AGAIN_MS = 3000;

/**
 * A browser opens six connections to one server, and JupyterLab needs them: at most these many logs are streamed at the
 * same time, the others are fetched again and again.
 */
const STREAMS = 2;
let streams = 0;

/** What a log says to those who show it: a piece at its end, or that it begins anew. */
export type LogPiece = { text: string } | { restart: true };

/** The log of one job as it grows, read while somebody watches. */
export class LogModel {
  constructor(
    private readonly _job: JobModel,
    private readonly _jobs: JobsModel
  ) {}

  get text(): string {
    return this._text;
  }

  /** Why it cannot be read now; '' while all is well. */
  get trouble(): string {
    return this._trouble;
  }

  /** Whether the end of the log is the end of what the job will ever print. */
  get isComplete(): boolean {
    return this._isComplete;
  }

  get grown(): ISignal<this, LogPiece> {
    return this._grown;
  }

  /** Reads until the answer is disposed. */
  watch(): IDisposable {
    return this._audience.join();
  }

  private async _follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const job = this._job.job;
      const ended = job !== null && isFinal(job.state);
      if (!(ended && this._isComplete && this._attempt === attemptOf(job))) {
        this._attempt = attemptOf(job);
        await this._read(signal, ended);
      }
      if (!signal.aborted) {
        await this._pause(signal);
      }
    }
  }

  private async _read(signal: AbortSignal, ended: boolean): Promise<void> {
    const stream = streams < STREAMS;
    streams += stream ? 1 : 0;
    try {
      await this._take(this._jobs.client.log(this._job.id, signal, stream));
      this._isComplete = ended || stream;
      this._say('');
    } catch (error) {
      if (!signal.aborted) {
        this._say((error as Error).message);
      }
    } finally {
      streams -= stream ? 1 : 0;
    }
  }

  /** Every reading starts at the beginning of the log: what is here already is passed over, once it proves to be the same. */
  private async _take(pieces: AsyncIterable<string>): Promise<void> {
    const known = this._text;
    let ahead = known === '' ? null : '';
    for await (const piece of pieces) {
      if (ahead === null) {
        this._grow(piece);
        continue;
      }
      ahead += piece;
      if (ahead.length >= known.length) {
        this._passOver(known, ahead);
        ahead = null;
      }
    }
    if (ahead !== null) {
      this._passOver(known, ahead);
    }
  }

  private _passOver(known: string, read: string): void {
    if (read.startsWith(known)) {
      this._grow(read.slice(known.length));
    } else {
      this._text = read;
      this._grown.emit({ restart: true });
    }
  }

  private _grow(text: string): void {
    if (text !== '') {
      this._text += text;
      this._grown.emit({ text });
    }
  }

  private _say(trouble: string): void {
    if (trouble !== this._trouble || trouble === '') {
      this._trouble = trouble;
      this._grown.emit({ text: '' });
    }
  }

  /** Until the job moves, or for a while where nobody says that it does. */
  private _pause(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const over = (): void => {
        window.clearTimeout(timer);
        signal.removeEventListener('abort', over);
        resolve();
      };
      const timer = window.setTimeout(over, AGAIN_MS);
      signal.addEventListener('abort', over);
    });
  }

  private readonly _audience = new Audience(
    () => {
      this._abort = new AbortController();
      void this._follow(this._abort.signal);
    },
    () => this._abort.abort()
  );
  private readonly _grown = new Signal<this, LogPiece>(this);
  private _abort = new AbortController();
  private _text = '';
  private _trouble = '';
  private _isComplete = false;
  private _attempt = 0;
}

function attemptOf(job: { attempts: readonly unknown[] } | null): number {
  return job?.attempts.length ?? 0;
}
