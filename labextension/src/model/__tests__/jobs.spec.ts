import { afterEach, describe, expect, it, vi } from 'vitest';

import { PretendServer, summary } from '../../__tests__/server';
import { ApiError } from '../../api/request';
import { JobsModel } from '../jobs';

let model: JobsModel;

afterEach(() => model.dispose());

async function live(server: PretendServer): Promise<JobsModel> {
  model = server.model();
  await vi.waitFor(() => expect(model.connection).toBe('live'));
  return model;
}

function watch(): string[] {
  const moves: string[] = [];
  model.moved.connect((_, { job, before }) => {
    moves.push(`${job.id}: ${before} -> ${job.state}`);
  });
  return moves;
}

describe('JobsModel', () => {
  it('lists the jobs of the server, newest first', async () => {
    await live(
      new PretendServer([summary('a', 'completed'), summary('b', 'running')])
    );
    expect(model.jobs.map(job => job.id)).toEqual(['b', 'a']);
  });

  it('asks a hint for the changes only, and tells which job moved', async () => {
    const server = new PretendServer([summary('a', 'running')]);
    await live(server);
    const moves = watch();
    server.requests.length = 0;
    server.put(summary('a', 'completed'));
    await vi.waitFor(() => expect(moves).toEqual(['a: running -> completed']));
    expect(server.requests).toEqual(['changes']);
    expect(model.counts).toEqual({ completed: 1 });
  });

  it('asks once more, not once per hint, for what was hinted at during a request', async () => {
    const server = new PretendServer();
    await live(server);
    server.requests.length = 0;
    for (let n = 0; n < 100; n++) {
      server.put(summary(`j${n}`, 'queued'));
    }
    await vi.waitFor(() => expect(model.jobs).toHaveLength(100));
    expect(server.requests.length).toBeLessThanOrEqual(2);
  });

  it('ignores a hint at what it knows already', async () => {
    const server = new PretendServer([summary('a', 'running')]);
    await live(server);
    server.requests.length = 0;
    server.hint(summary('a', 'running'));
    expect(server.requests).toEqual([]);
  });

  it('drops what was removed', async () => {
    const server = new PretendServer([
      summary('a', 'completed'),
      summary('b', 'running')
    ]);
    await live(server);
    server.remove('a');
    await vi.waitFor(() =>
      expect(model.jobs.map(job => job.id)).toEqual(['b'])
    );
    expect(model.find('a')).toBeUndefined();
  });

  it('fetches every page, and sorts in what is new', async () => {
    const jobs = Array.from({ length: 2500 }, (_, n) =>
      summary(String(n).padStart(5, '0'), 'completed')
    );
    const server = new PretendServer(jobs);
    await live(server);
    await vi.waitFor(() => expect(model.jobs).toHaveLength(2500));
    server.put(summary('99999', 'queued'));
    await vi.waitFor(() => expect(model.jobs[0].id).toBe('99999'));
    expect(model.jobs).toHaveLength(2501);
  });

  it('asks anew for what is missing when the server fails half way', async () => {
    const jobs = Array.from({ length: 1500 }, (_, n) =>
      summary(String(n).padStart(5, '0'), 'completed')
    );
    const server = new PretendServer(jobs);
    server.failsFrom = 1000;
    model = server.model();
    await vi.waitFor(() => expect(model.connection).toBe('offline'));
    expect(model.jobs).toHaveLength(1000);
    server.failsFrom = Infinity;
    await model.refresh();
    expect(model.jobs).toHaveLength(1500);
  });

  it('takes history for history, and what moved over a restart of the server for a move', async () => {
    const server = new PretendServer([summary('a', 'running')]);
    await live(server);
    const moves = watch();
    server.restart();
    server.put(summary('a', 'failed'), false);
    server.put(summary('old', 'completed'), false);
    server.hint(summary('a', 'failed'));
    await vi.waitFor(() => expect(model.jobs).toHaveLength(2));
    await vi.waitFor(() => expect(moves).toEqual(['a: running -> failed']));
  });

  it('marks the jobs of an action until the server has answered', async () => {
    const server = new PretendServer([summary('a', 'queued')]);
    await live(server);
    server.refusals = [{ job_id: 'a', why: 'It has ended.' }];
    const answer = model.act('hold', ['a']);
    expect(model.pending('a')).toBe('hold');
    expect(await answer).toEqual(server.refusals);
    expect(model.pending('a')).toBeUndefined();
    expect(server.acts).toEqual([['hold', ['a']]]);
  });

  it('takes a double click for one', async () => {
    const server = new PretendServer([
      summary('a', 'completed'),
      summary('b', 'completed')
    ]);
    await live(server);
    const first = model.act('rerun', ['a']);
    expect(await model.act('rerun', ['a', 'b'])).toEqual([]);
    await first;
    expect(server.acts).toEqual([
      ['rerun', ['a']],
      ['rerun', ['b']]
    ]);
    await Promise.all([
      model.act('rerun', ['a']),
      model.act('rerun', ['a'], { tier: 'emulation' })
    ]);
    expect(server.acts).toHaveLength(4); // with changes it is another wish
  });

  it('knows that an action is done also when the server is gone right after', async () => {
    const server = new PretendServer([summary('a', 'queued')]);
    await live(server);
    server.failsChanges = true;
    expect(await model.act('hold', ['a'])).toEqual([]);
    expect(model.connection).toBe('offline');
  });

  it('gathers what the server says against running each job again', async () => {
    const server = new PretendServer([
      summary('a', 'failed'),
      summary('b', 'failed')
    ]);
    await live(server);
    server.refusals = [{ job_id: 'a', why: 'Its folder is gone.' }];
    expect(await model.act('rerun', ['a', 'b'])).toEqual(server.refusals);
    expect(server.acts).toEqual([['rerun', ['b']]]);
  });

  it.each([
    ['missing', new ApiError('Not Found', 404)],
    ['refused', new ApiError('Forbidden', 403)],
    ['offline', new ApiError('Failed to fetch', 0)]
  ])('knows a server that is %s', async (connection, failure) => {
    const server = new PretendServer();
    server.failure = failure;
    model = server.model();
    await vi.waitFor(() => expect(model.connection).toBe(connection));
    expect(model.trouble).toBe(failure.message);
    server.failure = null;
    await model.refresh();
    expect(model.connection).toBe('live');
  });

  it('asks for nothing once it is disposed', async () => {
    const server = new PretendServer();
    await live(server);
    model.dispose();
    server.requests.length = 0;
    server.put(summary('a', 'queued'));
    document.dispatchEvent(new window.Event('visibilitychange'));
    expect(server.requests).toEqual([]);
  });
});
