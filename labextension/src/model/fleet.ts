import type { Client } from '../api/client';
import type { Fleet, FleetKey } from '../api/fleet';
import { ApiError } from '../api/request';
import { PolledModel } from './polled';

const EVERY_S = 60;
const AT_MOST_S = 600;

/** What ended lately at the whole site, kept fresh while somebody watches. */
export class FleetModel extends PolledModel {
  constructor(private readonly _client: Client) {
    super('fleet', EVERY_S, AT_MOST_S);
  }

  /** Null before the first answer. */
  get fleet(): Fleet | null {
    return this._fleet;
  }

  /** Whether the server lets this user look at it. */
  get forbidden(): boolean {
    return this._forbidden;
  }

  get by(): FleetKey {
    return this._by;
  }

  get days(): number {
    return this._days;
  }

  /** What is asked for from now on. */
  choose(by: FleetKey, days: number): void {
    if (by !== this._by || days !== this._days) {
      this._by = by;
      this._days = days;
      this.resume();
    }
  }

  /** Asks anew at once. */
  refresh(): void {
    this.resume();
  }

  protected async load(): Promise<void> {
    const { _by: by, _days: days } = this;
    try {
      const fleet = await this._client.fleet(by, days);
      if (by === this._by && days === this._days) {
        this._fleet = fleet;
      }
      this._forbidden = false;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 403)) {
        throw error;
      }
      this._forbidden = true;
      this._fleet = null;
    }
  }

  private _fleet: Fleet | null = null;
  private _forbidden = false;
  private _by: FleetKey = 'device';
  private _days = 7;
}
