import type { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { Audience } from './audience';
import type { JobModel } from './job';

/** One further answer about a job: fetched while somebody looks at it, and again when the job moves meanwhile. */
export class Facet<T> {
  constructor(
    private readonly _job: JobModel,
    private readonly _ask: () => Promise<T>
  ) {}

  /** null until the server has answered. */
  get value(): T | null {
    return this._value;
  }

  /** Why the last request failed; '' while all is well. */
  get trouble(): string {
    return this._trouble;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Somebody looks until the answer is disposed. */
  watch(): IDisposable {
    return this._audience.join();
  }

  private _onJob(): void {
    const { job, standing } = this._job;
    if (job !== null && standing === 'live' && job !== this._of) {
      this._of = job;
      void this._fetch();
    }
  }

  private async _fetch(): Promise<void> {
    const of = this._of;
    try {
      const value = await this._ask();
      if (of === this._of) {
        this._value = value;
        this._trouble = '';
      }
    } catch (error) {
      this._of = null; // asked again at the next change
      this._trouble = (error as Error).message;
    }
    this._changed.emit();
  }

  private readonly _audience = new Audience(
    () => {
      this._job.changed.connect(this._onJob, this);
      this._onJob();
    },
    () => void this._job.changed.disconnect(this._onJob, this)
  );
  private readonly _changed = new Signal<this, void>(this);
  private _value: T | null = null;
  private _trouble = '';
  private _of: unknown = null;
}
