import { ISignal, Signal } from '@lumino/signaling';

import type { Client } from '../api/client';
import type { Estimate } from '../api/types';

/** What is known of the start of one job: an answer, or why there is none, or that it is on its way. */
export interface Asked {
  readonly answer: Estimate | null;
  readonly trouble: string;
  readonly pending: boolean;
}

const MOST = 50;

/** When jobs may start, as the site told when somebody asked; nothing is asked by itself, since it costs the site. */
export class Estimates {
  constructor(private readonly _client: Client) {}

  get changed(): ISignal<this, string> {
    return this._changed;
  }

  find(id: string): Asked | undefined {
    return this._asked.get(id);
  }

  /** Asks the site; while it is being asked, not a second time. */
  async ask(id: string): Promise<void> {
    const before = this._asked.get(id);
    if (before?.pending) {
      return;
    }
    this._put(id, {
      answer: before?.answer ?? null,
      trouble: '',
      pending: true
    });
    try {
      const answer = await this._client.estimate(id);
      this._put(id, { answer, trouble: '', pending: false });
    } catch (error) {
      this._put(id, {
        answer: before?.answer ?? null,
        trouble: (error as Error).message,
        pending: false
      });
    }
  }

  private _put(id: string, asked: Asked): void {
    this._asked.delete(id);
    this._asked.set(id, asked);
    for (const old of this._asked.keys()) {
      if (this._asked.size <= MOST) {
        break;
      }
      this._asked.delete(old);
    }
    this._changed.emit(id);
  }

  private readonly _asked = new Map<string, Asked>();
  private readonly _changed = new Signal<this, string>(this);
}
