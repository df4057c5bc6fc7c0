import { ISignal, Signal } from '@lumino/signaling';

/** Which parts of the sidebar are folded away. */
export class Folds {
  constructor(folded: readonly string[] = []) {
    this._folded = new Set(folded);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get folded(): string[] {
    return [...this._folded];
  }

  isOpen(part: string): boolean {
    return !this._folded.has(part);
  }

  toggle(part: string): void {
    if (!this._folded.delete(part)) {
      this._folded.add(part);
    }
    this._changed.emit();
  }

  /** As it was left the last time. */
  restore(folded: readonly string[]): void {
    this._folded = new Set(folded);
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _folded: Set<string>;
}
