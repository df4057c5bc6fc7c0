import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import type { Summary, Tier } from '../api/types';
import { stateTone, Tone } from '../words';
import type { JobsModel } from './jobs';

export interface Filter {
  readonly text: string;
  /** Groups of states; none means all. */
  readonly tones: ReadonlySet<Tone>;
  readonly tier: Tier | '';
}

const ALL: Filter = { text: '', tones: new Set(), tier: '' };

const haystacks = new WeakMap<Summary, string>();

function haystack(job: Summary): string {
  let text = haystacks.get(job);
  if (text === undefined) {
    text = [
      job.name,
      job.id,
      job.tier,
      job.device,
      job.state,
      job.reason,
      job.message
    ]
      .join('\n')
      .toLowerCase();
    haystacks.set(job, text);
  }
  return text;
}

/** Those that have every word of the text somewhere, and the tier. */
export function search(
  jobs: readonly Summary[],
  text: string,
  tier: Tier | ''
): readonly Summary[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && !tier) {
    return jobs;
  }
  return jobs.filter(
    job =>
      (!tier || job.tier === tier) &&
      words.every(word => haystack(job).includes(word))
  );
}

/** What of the jobs is listed, which of them are selected, and on which one the keyboard stands. */
export class Listing implements IDisposable {
  constructor(readonly model: JobsModel) {
    model.changed.connect(this._onChanged, this);
    this._sift();
  }

  get filter(): Filter {
    return this._filter;
  }

  get filtered(): boolean {
    return this._filter !== ALL;
  }

  /** The jobs that match, newest first. */
  get rows(): readonly Summary[] {
    return this._rows;
  }

  /** How many jobs of each group match the text and the tier. */
  get tally(): ReadonlyMap<Tone, number> {
    return this._tally;
  }

  /** The row on which the keyboard stands; null where there is no row. */
  get active(): string | null {
    return this._active;
  }

  /** Those of the selection that are listed now, in the order of the list. */
  get selection(): readonly Summary[] {
    return this._rows.filter(job => this._selected.has(job.id));
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  isSelected(id: string): boolean {
    return this._selected.has(id);
  }

  indexOf(id: string | null): number {
    return id === null ? -1 : (this._index.get(id) ?? -1);
  }

  narrow(change: Partial<Filter>): void {
    const next = { ...this._filter, ...change };
    const all = !next.text && !next.tier && next.tones.size === 0;
    this._filter = all ? ALL : next;
    this._sift();
    this._changed.emit();
  }

  toggleTone(tone: Tone): void {
    const tones = new Set(this._filter.tones);
    if (!tones.delete(tone)) {
      tones.add(tone);
    }
    this.narrow({ tones });
  }

  clearFilter(): void {
    this.narrow(ALL);
  }

  /** As a click does: alone, with the others (`toggle`), or from the last one clicked up to here (`extend`). */
  select(id: string, how: 'only' | 'toggle' | 'extend' = 'only'): void {
    if (how === 'extend' && this.indexOf(this._anchor) >= 0) {
      const [from, to] = [this.indexOf(this._anchor), this.indexOf(id)].sort(
        (a, b) => a - b
      );
      this._selected = new Set(
        this._rows.slice(from, to + 1).map(job => job.id)
      );
    } else if (how === 'toggle') {
      this._selected = new Set(this._selected);
      if (!this._selected.delete(id)) {
        this._selected.add(id);
      }
      this._anchor = id;
    } else {
      this._selected = new Set([id]);
      this._anchor = id;
    }
    this._active = id;
    this._changed.emit();
  }

  /** Moves the keyboard by `steps` rows, and selects where it arrives. */
  step(steps: number, how: 'only' | 'extend' = 'only'): void {
    if (this._rows.length === 0) {
      return;
    }
    const from = this.indexOf(this._active);
    const aim = from < 0 ? 0 : from + steps;
    const to = Math.min(Math.max(aim, 0), this._rows.length - 1);
    this.select(this._rows[to].id, how);
  }

  selectAll(): void {
    this._selected = new Set(this._rows.map(job => job.id));
    this._changed.emit();
  }

  clearSelection(): void {
    this._selected = new Set();
    this._changed.emit();
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this.model.changed.disconnect(this._onChanged, this);
    Signal.clearData(this);
  }

  private _onChanged(): void {
    if (this._jobs !== this.model.jobs) {
      this._sift();
      this._changed.emit();
    }
  }

  private _sift(): void {
    const { text, tier, tones } = this._filter;
    this._jobs = this.model.jobs;
    const found = search(this._jobs, text, tier);
    this._tally = new Map();
    for (const job of found) {
      const tone = stateTone(job.state);
      this._tally.set(tone, (this._tally.get(tone) ?? 0) + 1);
    }
    const was = this.indexOf(this._active);
    this._rows =
      tones.size === 0
        ? found
        : found.filter(job => tones.has(stateTone(job.state)));
    this._index = new Map(this._rows.map((job, n) => [job.id, n]));
    if (this.indexOf(this._active) < 0) {
      // the keyboard stays where it stood when its row is gone
      const nearest = Math.min(Math.max(was, 0), this._rows.length - 1);
      this._active = this._rows[nearest]?.id ?? null;
    }
    if ([...this._selected].some(id => !this.model.find(id))) {
      this._selected = new Set(
        [...this._selected].filter(id => this.model.find(id))
      );
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _filter = ALL;
  private _jobs: readonly Summary[] = [];
  private _rows: readonly Summary[] = [];
  private _index = new Map<string, number>();
  private _tally = new Map<Tone, number>();
  private _selected = new Set<string>();
  private _anchor: string | null = null;
  private _active: string | null = null;
  private _disposed = false;
}
