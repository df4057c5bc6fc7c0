import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { IOutput } from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import type { Job, JobOutputs, Summary } from '../api/types';
import { isCellRunning } from '../model/cellstate';
import type { JobModel } from '../model/job';
import type { JobPool } from '../model/pool';
import { isFinal, shortId, size } from '../words';
import { cardOf, heldOf, planOutputs } from './plan';
import { putOutputs } from './put';
import { Turn } from './turn';

const PAUSE_MS = 100;

export interface WriterSettings {
  /** Whether outputs are written, beside the card itself. */
  outputs: boolean;
  /** More than this of one job stays in its folder, in bytes. */
  limit: number;
}

/** A job whose end this notebook waits for. */
interface Expected {
  model: JobModel;
  watch: IDisposable;
}

/** Writes what became of jobs into one notebook, under the cards of their cells. */
export class NotebookWriter implements IDisposable {
  constructor(
    private readonly _context: DocumentRegistry.IContext<INotebookModel>,
    private readonly _pool: JobPool,
    private readonly _settings: () => WriterSettings,
    private readonly _trans: TranslationBundle
  ) {
    this._turn = new Turn(this._context.model);
    this._turn.changed.connect(this.look, this);
    this._context.model.cells.changed.connect(this._onCells, this);
    this._pool.jobs.changed.connect(this.look, this);
    this._onCells();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Looks again at what was settled under other settings. */
  reconsider(): void {
    this._done.clear();
    this.look();
  }

  /** Looks over the cells in a moment: what comes in a burst is seen once. */
  look(): void {
    if (this._timer === 0 && !this._isDisposed) {
      this._timer = window.setTimeout(() => {
        this._timer = 0;
        this._look();
      }, PAUSE_MS);
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.clearTimeout(this._timer);
    this._turn.dispose();
    [...this._expected.keys()].forEach(id => this._forget(id));
    Signal.clearData(this);
  }

  private _onCells(): void {
    for (const cell of this._codeCells()) {
      // connecting twice connects once
      cell.outputs.changed.connect(this.look, this);
      cell.stateChanged.connect(this._onCellState, this);
    }
    this.look();
  }

  private _onCellState(_: ICellModel, change: { name: string }): void {
    if (['executionState', 'executionCount'].includes(change.name)) {
      this.look();
    }
  }

  private _look(): void {
    if (!this._mayWrite || this._pool.jobs.connection !== 'live') {
      return;
    }
    const wanted = new Set<string>();
    for (const cell of this._codeCells()) {
      const outputs = cell.outputs.toJSON();
      for (const card of outputs.map(cardOf)) {
        if (card !== null && !this._isDone(card.id, outputs)) {
          wanted.add(card.id);
        }
      }
    }
    [...this._expected.keys()]
      .filter(id => !wanted.has(id))
      .forEach(id => this._forget(id));
    wanted.forEach(id => this._expect(id));
  }

  /** Whether there is nothing to ask about this job now: it goes on, or the cell holds its end already. */
  private _isDone(id: string, outputs: readonly IOutput[]): boolean {
    const line = this._pool.jobs.find(id);
    const told = this._done.has(id) && this._done.get(id) === line;
    if (line === undefined) {
      return told;
    }
    if (!isFinal(line.state)) {
      return true;
    }
    const held = heldOf(outputs, line);
    return held.cards && (held.outputs || told);
  }

  private _expect(id: string): void {
    let expected = this._expected.get(id);
    if (expected === undefined) {
      const model = this._pool.take(id);
      expected = { model, watch: model.watchOutputs() };
      this._expected.set(id, expected);
      model.changed.connect(this._onJob, this);
    }
    this._onJob(expected.model);
  }

  private _forget(id: string): void {
    const { model, watch } = this._expected.get(id)!;
    this._expected.delete(id);
    model.changed.disconnect(this._onJob, this);
    watch.dispose();
    this._pool.release(model);
  }

  private _onJob(model: JobModel): void {
    if (!this._turn.isMine) {
      return; // `look` comes back to it when it is
    }
    const isOver =
      model.standing === 'stranger' ||
      model.standing === 'gone' ||
      (model.isComplete && this._write(model.job!, model.outputs));
    if (isOver) {
      this._done.set(model.id, this._pool.jobs.find(model.id));
      this._forget(model.id);
    }
  }

  private get _mayWrite(): boolean {
    return (
      !this._isDisposed &&
      this._turn.isMine &&
      !this._context.model.readOnly &&
      this._context.contentsModel?.writable !== false
    );
  }

  /** False where a cell runs and is not to be touched now. */
  private _write(job: Job, outputs: JobOutputs | null): boolean {
    const written = this._within(job, outputs);
    let all = true;
    for (const cell of this._codeCells()) {
      const before = cell.outputs.toJSON();
      if (!before.some(output => cardOf(output)?.id === job.id)) {
        continue;
      }
      if (isCellRunning(cell)) {
        all = false;
      } else {
        putOutputs(cell.outputs, planOutputs(before, job, written));
      }
    }
    return all;
  }

  /** The outputs, or one that says why they stay where they are; null where none are to be written. */
  private _within(job: Job, outputs: JobOutputs | null): JobOutputs | null {
    const { outputs: wanted, limit } = this._settings();
    if (!wanted || outputs === null) {
      return null;
    }
    const bytes = new Blob([JSON.stringify(outputs.outputs)]).size;
    if (bytes <= limit) {
      return outputs;
    }
    const text = this._trans.__(
      'The outputs of job %1 have %2, more than the %3 that are written into a notebook. They are in its folder: open the job, or run `%qpu outputs %1`.',
      shortId(job.id),
      size(bytes),
      size(limit)
    );
    return {
      ...outputs,
      outputs: [
        {
          output_type: 'display_data',
          data: { 'text/plain': text },
          metadata: {}
        }
      ]
    };
  }

  private _codeCells(): ICodeCellModel[] {
    return [...this._context.model.cells].filter(
      (cell): cell is ICodeCellModel => cell.type === 'code'
    );
  }

  private readonly _expected = new Map<string, Expected>();
  /**
   * Jobs on which the last word is written, or that are not this user's, with their line of the listing at that time: a
   * job without outputs leaves no other sign in the notebook.
   */
  private readonly _done = new Map<string, Summary | undefined>();
  private readonly _turn: Turn;
  private _timer = 0;
  private _isDisposed = false;
}
