import { DisposableDelegate, IDisposable } from '@lumino/disposable';

/** Those who look at something: it begins with the first of them and ends with the last. */
export class Audience {
  constructor(
    private readonly _first: () => void,
    private readonly _last: () => void
  ) {}

  get size(): number {
    return this._size;
  }

  /** One more, until the answer is disposed. */
  join(): IDisposable {
    this._size += 1;
    if (this._size === 1) {
      this._first();
    }
    return new DisposableDelegate(() => {
      this._size -= 1;
      if (this._size === 0) {
        this._last();
      }
    });
  }

  private _size = 0;
}
