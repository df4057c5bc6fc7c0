import { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import type { Client } from '../api/client';
import type { Device } from '../api/types';

const EVERY_S = 60;

/** The devices of the site and how each one stands. Nothing is asked before somebody `start`s it. */
export class DevicesModel implements IDisposable {
  constructor(client: Client) {
    this._poll = new Poll({
      name: 'qhub-ext:devices',
      auto: false,
      factory: async () => {
        try {
          this._devices = await client.devices();
          this._loadedAt = Date.now() / 1000;
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
      frequency: { interval: EVERY_S * 1000, backoff: true, max: 600_000 },
      standby: 'when-hidden'
    });
  }

  get devices(): readonly Device[] {
    return this._devices;
  }

  /** When they were last told, in seconds since 1970, UTC; null before that. */
  get loadedAt(): number | null {
    return this._loadedAt;
  }

  get trouble(): string {
    return this._trouble;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  find(name: string): Device | undefined {
    return this._devices.find(device => device.name === name);
  }

  /** Keeps them fresh from now on. */
  start(): void {
    if (!this._started && !this._disposed) {
      this._started = true;
      void this._poll.start();
      void this._poll.refresh();
    }
  }

  /** Asks anew, where they have been asked for at all. */
  async refresh(): Promise<void> {
    if (this._started && !this._disposed) {
      await this._poll.refresh();
      await this._poll.tick.catch(() => undefined);
    }
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._poll.dispose();
    Signal.clearData(this);
  }

  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private _devices: readonly Device[] = [];
  private _loadedAt: number | null = null;
  private _trouble = '';
  private _started = false;
  private _disposed = false;
}
