import type { Client } from '../api/client';
import type { Device } from '../api/types';
import { PolledModel } from './polled';

const EVERY_S = 60;
const AT_MOST_S = 600;

/** The devices of the site and how each one stands. Nothing is asked before somebody `start`s it. */
export class DevicesModel extends PolledModel {
  constructor(private readonly _client: Client) {
    super('devices', EVERY_S, AT_MOST_S);
  }

  get devices(): readonly Device[] {
    return this._devices;
  }

  /** When they were last told, in seconds since 1970, UTC; null before that. */
  get loadedAt(): number | null {
    return this._loadedAt;
  }

  find(name: string): Device | undefined {
    return this._devices.find(device => device.name === name);
  }

  /** Keeps them fresh from now on. */
  start(): void {
    if (!this._started && !this.isDisposed) {
      this._started = true;
      this.resume();
    }
  }

  /** Asks anew, where they have been asked for at all. */
  async refresh(): Promise<void> {
    if (this._started && !this.isDisposed) {
      await this.poll.refresh();
      await this.poll.tick.catch(() => undefined);
    }
  }

  protected async load(): Promise<void> {
    this._devices = await this._client.devices();
    this._loadedAt = Date.now() / 1000;
  }

  private _devices: readonly Device[] = [];
  private _loadedAt: number | null = null;
  private _started = false;
}
