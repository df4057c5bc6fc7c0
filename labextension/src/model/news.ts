import type { TranslationBundle } from '@jupyterlab/translation';
import { IDisposable } from '@lumino/disposable';

import type { State, Summary } from '../api/types';
import { duration, isFinal, plain, stateWord } from '../words';
import type { JobsModel, Move } from './jobs';

/** What is worth a notice. */
export type Kind = 'started' | 'completed' | 'failed' | 'cancelled';

export interface Piece {
  kind: Kind;
  text: string;
  /** The job that it is about; null where it is about several. */
  id: string | null;
}

/** Moves that come within this are told together. */
const TOGETHER_MS = 400;
/** More of one kind than this become one piece. */
const ONE_BY_ONE = 3;
/** A job that this page hears of when it ended longer ago than this is history. */
const HISTORY_S = 60;

const KINDS: Partial<Record<State, Kind>> = {
  running: 'started',
  completed: 'completed',
  failed: 'failed',
  timed_out: 'failed',
  lost: 'failed',
  cancelled: 'cancelled'
};

/** Tells of jobs that started, ended or failed while this page looked. */
export class News implements IDisposable {
  constructor(
    private readonly _model: JobsModel,
    private readonly _trans: TranslationBundle,
    /** Null while it is not known yet: what happens meanwhile is told, or not, when it is. */
    private readonly _wanted: (kind: Kind) => boolean | null,
    private readonly _tell: (piece: Piece) => void
  ) {
    _model.moved.connect(this._onMoved, this);
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
    this._model.moved.disconnect(this._onMoved, this);
  }

  private _onMoved(_: unknown, { job, before }: Move): void {
    const kind = KINDS[job.state];
    if (kind === undefined || this._wanted(kind) === false) {
      return;
    }
    const endedAgo = Date.now() / 1000 - (job.ended_at ?? job.created_at);
    if (before === null && isFinal(job.state) && endedAgo > HISTORY_S) {
      return;
    }
    this._moves.set(job.id, { kind, job });
    this._timer ??= setTimeout(() => this._flush(), TOGETHER_MS);
  }

  private _flush(): void {
    const moves = [...this._moves.values()];
    const kinds = [...new Set(moves.map(move => move.kind))];
    if (kinds.some(kind => this._wanted(kind) === null)) {
      this._timer = setTimeout(() => this._flush(), TOGETHER_MS);
      return;
    }
    this._moves.clear();
    this._timer = undefined;
    for (const kind of kinds.filter(kind => this._wanted(kind))) {
      const jobs = moves.filter(move => move.kind === kind).map(m => m.job);
      if (jobs.length > ONE_BY_ONE) {
        const text = manyWords(kind, jobs.length, this._trans);
        this._tell({ kind, text, id: null });
      } else {
        jobs.forEach(job => {
          this._tell({ kind, text: oneWords(job, this._trans), id: job.id });
        });
      }
    }
  }

  private readonly _moves = new Map<string, { kind: Kind; job: Summary }>();
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _disposed = false;
}

function oneWords(job: Summary, trans: TranslationBundle): string {
  const name = `${plain(job.name, 40)} (${job.short_id})`;
  const ran =
    job.running_at !== null && job.ended_at !== null
      ? duration(job.ended_at - job.running_at)
      : '';
  switch (job.state) {
    case 'running':
      return trans.__('%1 runs on %2, %3', name, job.tier, job.device);
    case 'completed':
      return ran
        ? trans.__('%1 has completed after %2', name, ran)
        : trans.__('%1 has completed', name);
    default: {
      const word = stateWord(job.state, trans);
      return job.message
        ? trans.__('%1 %2: %3', name, word, plain(job.message, 80))
        : `${name} ${word}`;
    }
  }
}

function manyWords(
  kind: Kind,
  count: number,
  trans: TranslationBundle
): string {
  switch (kind) {
    case 'started':
      return trans.__('%1 jobs have started', count);
    case 'completed':
      return trans.__('%1 jobs have completed', count);
    case 'failed':
      return trans.__('%1 jobs have failed', count);
    case 'cancelled':
      return trans.__('%1 jobs were cancelled', count);
  }
}
