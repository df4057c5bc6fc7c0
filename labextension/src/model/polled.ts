import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { Audience } from './audience';

/** What the server is asked for again and again while somebody looks. Nothing is asked before the first `resume`. */
export abstract class PolledModel implements IDisposable {
  /** `everyS` apart, and up to `atMostS` while the answers fail. */
  constructor(name: string, everyS: number, atMostS: number) {
    this.poll = new Poll({
      name: `qhub-ext:${name}`,
      auto: false,
      factory: async () => {
        try {
          await this.load();
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
      frequency: {
        interval: everyS * 1000,
        backoff: true,
        max: atMostS * 1000
      },
      standby: 'when-hidden'
    });
  }

  /** Why the latest answer did not come; empty when it did. */
  get trouble(): string {
    return this._trouble;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this.poll.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.poll.dispose();
      Signal.clearData(this);
    }
  }

  /** Keeps it fresh until the answer is disposed. */
  watch(): IDisposable {
    return this._audience.join();
  }

  /** Asks the server once and keeps the answer. */
  protected abstract load(): Promise<void>;

  protected resume(): void {
    void this.poll.start();
    void this.poll.refresh();
  }

  protected readonly poll: Poll;
  private readonly _audience = new Audience(
    () => this.isDisposed || this.resume(),
    () => this.isDisposed || void this.poll.stop()
  );
  private readonly _changed = new Signal<this, void>(this);
  private _trouble = '';
}
