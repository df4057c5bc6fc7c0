import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import type { Client } from '../api/client';
import type { Task } from '../api/types';

const EVERY_S = 5;

/** The quantum tasks at the site's broker, kept fresh while somebody watches; the server asks the broker once for all who do. */
export class TasksModel implements IDisposable {
  constructor(client: Client) {
    this._poll = new Poll({
      name: 'qhub-ext:tasks',
      auto: false,
      factory: async () => {
        try {
          const { tasks, total, as_of } = await client.tasks();
          this._tasks = tasks;
          this._total = total;
          this._asOf = as_of;
          this._trouble = '';
        } catch (error) {
          this._trouble = (error as Error).message;
          throw error;
        } finally {
          if (!this.isDisposed) {
            this._changed.emit();
          }
        }
      },
      frequency: { interval: EVERY_S * 1000, backoff: true, max: 60_000 },
      standby: 'when-hidden'
    });
  }

  /** In the order in which they would run now. */
  get tasks(): readonly Task[] {
    return this._tasks;
  }

  /** How many there are; `tasks` has the first of them. */
  get total(): number {
    return this._total;
  }

  /** When the broker was asked, in seconds since 1970, UTC; null before that. */
  get asOf(): number | null {
    return this._asOf;
  }

  get trouble(): string {
    return this._trouble;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  /** Keeps them fresh until the answer is disposed. */
  watch(): IDisposable {
    this._watchers += 1;
    if (this._watchers === 1 && !this.isDisposed) {
      void this._poll.start();
      void this._poll.refresh();
    }
    return new DisposableDelegate(() => {
      this._watchers -= 1;
      if (this._watchers === 0 && !this.isDisposed) {
        void this._poll.stop();
      }
    });
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._poll.dispose();
      Signal.clearData(this);
    }
  }

  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private _tasks: readonly Task[] = [];
  private _total = 0;
  private _asOf: number | null = null;
  private _trouble = '';
  private _watchers = 0;
}
