import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ApiError } from '../../api/request';
import type { Job, JobOutputs, Summary } from '../../api/types';
import type { Connection, JobsModel } from '../jobs';
import { JobPool } from '../pool';

/** The jobs of the page, as far as a model of one job looks at them. */
class Jobs {
  connection: Connection = 'live';
  changed = new Signal<this, void>(this);
  lines = new Map<string, Summary>();
  job: Job = {
    id: 'a-1',
    state: 'running',
    attempts: [{ number: 1 }]
  } as Job;
  written: JobOutputs = { attempt: 1, seq: 1, final: false, outputs: [] };
  client = {
    job: vi.fn(() => Promise.resolve(this.job)),
    explain: vi.fn(() => Promise.resolve({ sentence: 'because' })),
    outputs: vi.fn((id: string, after: number = 0) =>
      Promise.resolve(
        this.written.seq <= after
          ? { ...this.written, outputs: [], unchanged: true }
          : this.written
      )
    )
  };

  find(id: string): Summary | undefined {
    return this.lines.get(id);
  }

  isGone(): boolean {
    return false;
  }

  /** The listing says that this job moved. */
  move(id: string): void {
    this.lines.set(id, { id } as Summary);
    this.changed.emit();
  }
}

let jobs: Jobs;
let pool: JobPool;

beforeEach(() => {
  vi.useFakeTimers();
  jobs = new Jobs();
  pool = new JobPool(jobs as unknown as JobsModel);
});

afterEach(() => {
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('JobModel', () => {
  it('is one for all views of a job, and ends with the last of them', async () => {
    const first = pool.take('a-1');
    const second = pool.take('a-1');
    expect(second).toBe(first);
    pool.release(first);
    expect(first.isDisposed).toBe(false);
    pool.release(second);
    expect(first.isDisposed).toBe(true);
    expect(pool.take('a-1')).not.toBe(first);
  });

  it('asks once at first, and again only when the listing says that the job moved', async () => {
    const model = pool.take('a-1');
    await settle();
    expect(model.standing).toBe('live');
    jobs.changed.emit();
    jobs.move('b-2');
    await settle();
    expect(jobs.client.job).toHaveBeenCalledTimes(1);
    jobs.job = { ...jobs.job, state: 'completed' };
    jobs.move('a-1');
    await settle();
    expect(model.job?.state).toBe('completed');
    expect(jobs.client.job).toHaveBeenCalledTimes(2);
  });

  it('lets an element of an array move with its array', async () => {
    pool.take('a-1.7');
    await settle();
    jobs.move('a-1');
    await settle();
    expect(jobs.client.job).toHaveBeenCalledTimes(2);
  });

  it('asks for an explanation only where there is something to explain', async () => {
    const model = pool.take('a-1');
    await settle();
    expect(jobs.client.explain).not.toHaveBeenCalled();
    jobs.job = { ...jobs.job, state: 'failed' };
    jobs.move('a-1');
    await settle();
    expect(model.explanation?.sentence).toBe('because');
  });

  it('shows the facts before the site has said why, and stays live where it cannot', async () => {
    jobs.job = { ...jobs.job, state: 'queued' };
    let answer: (why: { sentence: string }) => void = () => undefined;
    jobs.client.explain.mockReturnValueOnce(
      new Promise(resolve => {
        answer = resolve;
      })
    );
    const model = pool.take('a-1');
    await settle();
    expect([model.standing, model.explanation]).toEqual(['live', null]);
    answer({ sentence: 'because' });
    await settle();
    expect(model.explanation?.sentence).toBe('because');
    jobs.client.explain.mockRejectedValueOnce(new ApiError('silent', 503));
    jobs.job = { ...jobs.job, state: 'held' };
    jobs.move('a-1');
    await settle();
    expect([model.standing, model.explanation]).toEqual(['live', null]);
  });

  it('keeps what it knew while the server cannot be asked, and comes alive again', async () => {
    const model = pool.take('a-1');
    await settle();
    jobs.connection = 'offline';
    jobs.changed.emit();
    expect([model.standing, model.job?.state]).toEqual(['offline', 'running']);
    jobs.connection = 'live';
    jobs.job = { ...jobs.job, state: 'completed' };
    jobs.changed.emit();
    await settle();
    expect([model.standing, model.job?.state]).toEqual(['live', 'completed']);
  });

  it.each([
    ['a job that is not of this user', 'unknown', 'stranger'],
    ['a server without the extension', '', 'missing'],
    ['a server that does not know the user', 'refusal', 'refused']
  ])('tells %s', async (_, cause, standing) => {
    const status = cause === 'refusal' ? 403 : 404;
    jobs.client.job.mockRejectedValue(new ApiError('no', status, '', cause));
    const model = pool.take('a-1');
    await settle();
    expect(model.standing).toBe(standing);
  });

  it('tells a job that was here and whose folder is gone from one of somebody else', async () => {
    const model = pool.take('a-1');
    await settle();
    jobs.client.job.mockRejectedValue(new ApiError('no', 404, '', 'unknown'));
    jobs.move('a-1');
    await settle();
    expect([model.standing, model.job?.id]).toEqual(['gone', 'a-1']);
  });

  it('asks again why a task waits at a device, as long as it does', async () => {
    jobs.job = { ...jobs.job, phase: 'device' };
    pool.take('a-1');
    await vi.advanceTimersByTimeAsync(11_000);
    expect(jobs.client.explain).toHaveBeenCalledTimes(3);
    jobs.job = { ...jobs.job, phase: 'node' };
    jobs.move('a-1');
    await vi.advanceTimersByTimeAsync(11_000);
    expect(jobs.client.explain).toHaveBeenCalledTimes(3);
  });

  it('asks no more for a job of somebody else, until the listing has it', async () => {
    jobs.client.job.mockRejectedValue(new ApiError('no', 404, '', 'unknown'));
    const model = pool.take('z-9');
    await settle();
    jobs.changed.emit();
    await settle();
    expect(jobs.client.job).toHaveBeenCalledTimes(1);
    jobs.move('z-9');
    await settle();
    expect(jobs.client.job).toHaveBeenCalledTimes(2);
    expect(model.standing).toBe('stranger');
  });

  it('fetches outputs while somebody watches and the cell runs, and once at its end', async () => {
    const model = pool.take('a-1');
    await settle();
    expect(jobs.client.outputs).not.toHaveBeenCalled();
    const watch = model.watchOutputs();
    await settle();
    expect(model.outputs?.seq).toBe(1);
    jobs.written = { ...jobs.written, seq: 2 };
    await vi.advanceTimersByTimeAsync(2100);
    expect(model.outputs?.seq).toBe(2);

    jobs.job = { ...jobs.job, state: 'completed' };
    jobs.written = { ...jobs.written, final: true };
    jobs.move('a-1');
    await settle();
    expect(model.outputs?.final).toBe(true);
    const asked = jobs.client.outputs.mock.calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(jobs.client.outputs).toHaveBeenCalledTimes(asked);
    watch.dispose();
  });

  it('takes the outputs of a new attempt though their numbers are lower', async () => {
    jobs.written = { attempt: 1, seq: 9, final: true, outputs: [] };
    const model = pool.take('a-1');
    model.watchOutputs();
    await settle();
    jobs.written = { attempt: 2, seq: 3, final: false, outputs: [] };
    await vi.advanceTimersByTimeAsync(2100);
    expect(model.outputs).toMatchObject({ attempt: 2, seq: 3 });
  });

  it('asks nothing more once it is disposed', async () => {
    const model = pool.take('a-1');
    model.watchOutputs();
    await settle();
    pool.release(model);
    const asked = jobs.client.outputs.mock.calls.length;
    jobs.move('a-1');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(jobs.client.job).toHaveBeenCalledTimes(1);
    expect(jobs.client.outputs).toHaveBeenCalledTimes(asked);
  });
});
