import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';

import { Facet } from '../facet';

class Job {
  job: object | null = {};
  standing = 'live';
  changed = new Signal<this, void>(this);
  /** The job is another one now. */
  move(): void {
    this.job = {};
    this.changed.emit();
  }
}

const settle = () => new Promise(resolve => setTimeout(resolve));

describe('Facet', () => {
  it('asks when somebody looks, and again when the job moves meanwhile', async () => {
    const job = new Job();
    const ask = vi.fn(() => Promise.resolve(ask.mock.calls.length));
    const facet = new Facet(job as never, ask);
    job.move();
    expect(ask).not.toHaveBeenCalled();
    const watch = facet.watch();
    const other = facet.watch();
    await settle();
    expect(facet.value).toBe(1);
    job.changed.emit();
    await settle();
    expect(ask).toHaveBeenCalledTimes(1);
    job.move();
    await settle();
    expect(facet.value).toBe(2);
    watch.dispose();
    other.dispose();
    job.move();
    await settle();
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('says why there is no answer, keeps the last one, and asks again at the next change', async () => {
    const job = new Job();
    const ask = vi.fn(() => Promise.resolve('first'));
    const facet = new Facet(job as never, ask);
    facet.watch();
    await settle();
    ask.mockRejectedValueOnce(new Error('The site is silent.'));
    job.move();
    await settle();
    expect([facet.value, facet.trouble]).toEqual([
      'first',
      'The site is silent.'
    ]);
    job.changed.emit();
    await settle();
    expect(facet.trouble).toBe('');
  });

  it('lets no late answer stand above a newer one', async () => {
    const job = new Job();
    const answers: ((value: string) => void)[] = [];
    const facet = new Facet(
      job as never,
      () => new Promise<string>(resolve => answers.push(resolve))
    );
    facet.watch();
    job.move();
    answers[1]('new');
    await settle();
    answers[0]('old');
    await settle();
    expect(facet.value).toBe('new');
  });

  it('asks nothing about a job that the server cannot tell', () => {
    const job = new Job();
    job.job = null;
    const ask = vi.fn(() => Promise.resolve(1));
    new Facet(job as never, ask).watch();
    expect(ask).not.toHaveBeenCalled();
  });
});
