import type { INotebookModel } from '@jupyterlab/notebook';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

const FIELD = 'qhub';
/** Until then who else has the notebook open is not known for sure. */
export const SETTLE_MS = 3000;

/** What this needs of the awareness of a shared document, as `y-protocols` has it. */
interface Awareness {
  readonly clientID: number;
  getStates(): Map<number, Record<string, unknown>>;
  setLocalStateField(field: string, value: unknown): void;
  on(event: 'change', listener: () => void): void;
  off(event: 'change', listener: () => void): void;
}

/**
 * Of several pages that have a shared notebook open, one writes, the one that is there for longest: where two replace an
 * output at the same time, the notebook keeps both. Of a notebook that is not shared each page has its own.
 */
export class Turn implements IDisposable {
  constructor(model: INotebookModel) {
    const { awareness } = model.sharedModel as { awareness?: Awareness };
    this._awareness = model.collaborative ? (awareness ?? null) : null;
    if (this._awareness === null) {
      this._settled = this._wasMine = true;
      return;
    }
    this._awareness.setLocalStateField(FIELD, { since: Date.now() });
    this._awareness.on('change', this._onChange);
    this._timer = window.setTimeout(() => {
      this._settled = true;
      this._onChange();
    }, SETTLE_MS);
  }

  get isMine(): boolean {
    return this._settled && this._first === this._awareness?.clientID;
  }

  /** It may be another's turn now: somebody came or left. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.clearTimeout(this._timer);
    this._awareness?.off('change', this._onChange);
    this._awareness?.setLocalStateField(FIELD, null);
    Signal.clearData(this);
  }

  /** The page that is there for longest, of those that would write; undefined where nobody shares. */
  private get _first(): number | undefined {
    const pages = [...(this._awareness?.getStates() ?? [])]
      .map(([id, state]) => ({
        id,
        since: (state[FIELD] as { since?: unknown } | null)?.since
      }))
      .filter(({ since }) => typeof since === 'number')
      .sort((a, b) => Number(a.since) - Number(b.since) || a.id - b.id);
    return pages[0]?.id;
  }

  /** Awareness changes with every move of a cursor. */
  private readonly _onChange = (): void => {
    if (this.isMine !== this._wasMine) {
      this._wasMine = this.isMine;
      this._changed.emit();
    }
  };
  private readonly _awareness: Awareness | null;
  private readonly _changed = new Signal<this, void>(this);
  private _settled = false;
  private _wasMine = false;
  private _timer = 0;
  private _isDisposed = false;
}
