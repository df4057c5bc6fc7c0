import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { LogModel } from '../log';

/** A server that prints what is given to it, as a stream that ends when the job does. */
class Server {
  printed = '';
  ended = false;
  failure: Error | null = null;
  readonly readings: { follow: boolean; signal: AbortSignal }[] = [];
  readonly client = {
    log: (_: string, signal: AbortSignal, follow = true) => {
      this.readings.push({ follow, signal });
      return this._read(signal, follow);
    }
  };

  private async *_read(
    signal: AbortSignal,
    follow: boolean
  ): AsyncGenerator<string> {
    if (this.failure) {
      throw this.failure;
    }
    let sent = 0;
    for (;;) {
      if (signal.aborted) {
        throw new Error('aborted');
      }
      if (this.failure) {
        throw this.failure;
      }
      if (this.printed.length > sent) {
        yield this.printed.slice(sent);
        sent = this.printed.length;
      }
      if (this.ended || !follow) {
        return;
      }
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }
}

let server: Server;
let job: { id: string; job: { state: string; attempts: unknown[] } };

beforeEach(() => {
  vi.useFakeTimers();
  server = new Server();
  job = { id: 'a-1', job: { state: 'running', attempts: [{}] } };
});

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(100); // what was aborted notices it
  vi.useRealTimers();
});

const make = () => new LogModel(job as never, server as never);
const pass = (ms = 50) => vi.advanceTimersByTimeAsync(ms);

describe('LogModel', () => {
  it('grows as the job prints, while somebody watches', async () => {
    const log = make();
    const pieces: unknown[] = [];
    log.grown.connect((_, piece) => pieces.push(piece));
    const watch = log.watch();
    server.printed = 'one\n';
    await pass();
    server.printed = 'one\ntwo\n';
    await pass();
    expect(pieces).toEqual([{ text: 'one\n' }, { text: 'two\n' }]);
    expect(log.text).toBe('one\ntwo\n');
    watch.dispose();
    expect(server.readings[0].signal.aborted).toBe(true);
    server.printed += 'three\n';
    await pass(10_000);
    expect(log.text).toBe('one\ntwo\n');
  });

  it('is read once for several who watch, and no more when it is complete', async () => {
    const log = make();
    const watches = [log.watch(), log.watch()];
    server.printed = 'all\n';
    server.ended = true;
    await pass();
    job.job.state = 'completed';
    await pass(20_000);
    expect(log.isComplete).toBe(true);
    expect(server.readings).toHaveLength(1);
    watches.forEach(watch => watch.dispose());
  });

  it('tries again after a failure and says nothing twice', async () => {
    const log = make();
    const texts: string[] = [];
    log.grown.connect((_, piece) => {
      texts.push('text' in piece ? piece.text : 'RESTART');
    });
    const watch = log.watch();
    server.printed = 'one\n';
    await pass();
    server.failure = new Error('The server is gone.');
    await pass();
    expect(log.trouble).toBe('The server is gone.');
    server.failure = null;
    server.printed = 'one\ntwo\n';
    await pass(4000);
    expect(texts.join('')).toBe('one\ntwo\n');
    watch.dispose();
  });

  it('begins anew with another attempt', async () => {
    const log = make();
    const pieces: unknown[] = [];
    const watch = log.watch();
    server.printed = 'first\n';
    server.ended = true;
    await pass();
    log.grown.connect((_, piece) => pieces.push(piece));
    job.job = { state: 'running', attempts: [{}, {}] };
    server.printed = 'second\n';
    await pass(4000);
    expect(pieces).toContainEqual({ restart: true });
    expect(log.text).toBe('second\n');
    watch.dispose();
  });

  it('holds two connections at most, and still reads the other logs', async () => {
    const logs = [make(), make(), make()];
    const watches = logs.map(log => log.watch());
    server.printed = 'one\n';
    await pass();
    expect(server.readings.map(reading => reading.follow)).toEqual([
      true,
      true,
      false
    ]);
    server.printed = 'one\ntwo\n';
    await pass(4000);
    expect(logs.map(log => log.text)).toEqual(Array(3).fill('one\ntwo\n'));
    watches.forEach(watch => watch.dispose());
    await pass();
    const again = make();
    const watch = again.watch();
    await pass();
    expect(server.readings[server.readings.length - 1].follow).toBe(true);
    watch.dispose();
    await pass();
  });
});
