import type { INotebookModel } from '@jupyterlab/notebook';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { SETTLE_MS, Turn } from '../turn';

/** What all pages of a shared notebook know of each other. */
class Room {
  readonly states = new Map<number, Record<string, unknown>>();
  readonly listeners = new Set<() => void>();

  enter(clientID: number): INotebookModel {
    this.states.set(clientID, {});
    const awareness = {
      clientID,
      getStates: () => this.states,
      setLocalStateField: (field: string, value: unknown) => {
        this.states.set(clientID, { [field]: value });
        this.tell();
      },
      on: (_: string, listener: () => void) => this.listeners.add(listener),
      off: (_: string, listener: () => void) => this.listeners.delete(listener)
    };
    const sharedModel = { awareness };
    return { collaborative: true, sharedModel } as unknown as INotebookModel;
  }

  tell(): void {
    this.listeners.forEach(listener => listener());
  }
}

let room: Room;
beforeEach(() => {
  vi.useFakeTimers();
  room = new Room();
});
afterEach(() => vi.useRealTimers());

describe('the turn to write into a shared notebook', () => {
  it('is that of the page which is there for longest, and passes on when it leaves', () => {
    const first = new Turn(room.enter(9));
    vi.advanceTimersByTime(10);
    const second = new Turn(room.enter(2));
    expect([first.isMine, second.isMine]).toEqual([false, false]);
    vi.advanceTimersByTime(SETTLE_MS);
    expect([first.isMine, second.isMine]).toEqual([true, false]);
    const changed = vi.fn();
    second.changed.connect(changed);
    room.tell(); // somebody moved a cursor
    expect(changed).not.toHaveBeenCalled();
    first.dispose();
    expect(second.isMine).toBe(true);
    expect(changed).toHaveBeenCalledOnce();
    second.dispose();
    expect(room.listeners.size).toBe(0);
  });

  it('counts no page that writes nothing', () => {
    room.enter(1);
    const only = new Turn(room.enter(5));
    vi.advanceTimersByTime(SETTLE_MS);
    expect(only.isMine).toBe(true);
    only.dispose();
  });

  it('is everybody’s where nothing is shared', () => {
    const model = { ...room.enter(3), collaborative: false };
    const turn = new Turn(model as INotebookModel);
    expect(turn.isMine).toBe(true);
    turn.dispose();
  });
});
