import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';

import { Client } from '../../api/client';
import { ApiError } from '../../api/request';
import { Summary } from '../../api/types';
import { JobsModel } from '../jobs';

function summary(id: string, state: Summary['state']): Summary {
  return { id, short_id: id, state } as Summary;
}

function bus() {
  const stream = new Signal<object, unknown>({});
  return { stream } as unknown as ConstructorParameters<typeof JobsModel>[1] & {
    stream: Signal<object, unknown>;
  };
}

function client(over: Partial<Client>): Client {
  return {
    status: () =>
      Promise.resolve({ epoch: 'e1', seq: 1, counts: {}, writable: true }),
    jobs: () =>
      Promise.resolve({
        jobs: [summary('b', 'running'), summary('a', 'completed')],
        total: 2,
        counts: { running: 1, completed: 1 },
        epoch: 'e1',
        seq: 1
      }),
    ...over
  } as unknown as Client;
}

describe('JobsModel', () => {
  it('lists the jobs of the server, newest first', async () => {
    const model = new JobsModel(client({}), bus());
    await vi.waitFor(() => expect(model.connection).toBe('live'));
    expect(model.jobs.map(job => job.id)).toEqual(['b', 'a']);
    model.dispose();
  });

  it('fetches what changed when a hint comes, and tells which job moved', async () => {
    const events = bus();
    const changes = vi.fn(() =>
      Promise.resolve({
        epoch: 'e1',
        seq: 2,
        jobs: [summary('b', 'completed')],
        removed: ['a'],
        counts: { completed: 1 },
        complete: true
      })
    );
    const model = new JobsModel(client({ changes }), events);
    const moves: string[] = [];
    model.moved.connect((_, move) => {
      moves.push(`${move.before} -> ${move.job.state}`);
    });
    await vi.waitFor(() => expect(model.connection).toBe('live'));
    events.stream.emit({
      schema_id: 'urn:qhub-ext:hint:1',
      kind: 'job',
      id: 'b',
      state: 'completed',
      seq: 2,
      epoch: 'e1'
    });
    await vi.waitFor(() => expect(moves).toEqual(['running -> completed']));
    expect(changes).toHaveBeenCalledWith('e1', 1);
    expect(model.jobs.map(job => job.id)).toEqual(['b']);
    model.dispose();
  });

  it('says that the server extension is missing where Jupyter knows no such address', async () => {
    const status = () => Promise.reject(new ApiError('Not Found', 404));
    const model = new JobsModel(client({ status }), bus());
    await vi.waitFor(() => expect(model.connection).toBe('missing'));
    model.dispose();
  });
});
