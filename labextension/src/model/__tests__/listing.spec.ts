import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PretendServer, summary } from '../../__tests__/server';
import type { JobsModel } from '../jobs';
import { Listing, search } from '../listing';

let server: PretendServer;
let model: JobsModel;
let listing: Listing;

beforeEach(async () => {
  server = new PretendServer([
    summary('e', 'queued', { name: 'bell' }),
    summary('d', 'running', { tier: 'qpu', device: 'fez' }),
    summary('c', 'failed', { message: 'NameError' }),
    summary('b', 'timed_out'),
    summary('a', 'completed')
  ]);
  model = server.model();
  listing = new Listing(model);
  await vi.waitFor(() => expect(listing.rows).toHaveLength(5));
});

afterEach(() => {
  listing.dispose();
  model.dispose();
});

const ids = () => listing.rows.map(job => job.id);
const selected = () => listing.selection.map(job => job.id);

describe('search', () => {
  it('wants every word, in whatever field', () => {
    expect(search(model.jobs, 'QPU fez', '').map(job => job.id)).toEqual(['d']);
    expect(search(model.jobs, 'nameerror', '')).toHaveLength(1);
    expect(search(model.jobs, 'bell nowhere', '')).toEqual([]);
  });

  it('gives back the very list where nothing is asked for', () => {
    expect(search(model.jobs, '  ', '')).toBe(model.jobs);
  });
});

describe('the listing', () => {
  it('counts groups of states before it narrows to one', () => {
    listing.toggleTone('bad');
    expect(ids()).toEqual(['c', 'b']);
    expect(listing.tally.get('good')).toBe(1);
    listing.toggleTone('good');
    expect(ids()).toEqual(['c', 'b', 'a']);
    listing.toggleTone('good');
    listing.toggleTone('bad');
    expect(listing.filtered).toBe(false);
  });

  it('acts on what is selected and in sight only', () => {
    listing.selectAll();
    listing.toggleTone('bad');
    expect(selected()).toEqual(['c', 'b']);
  });

  it('follows a job out of a filter when its state changes', async () => {
    listing.toggleTone('busy');
    server.put(summary('d', 'completed'));
    await vi.waitFor(() => expect(ids()).toEqual([]));
    expect(listing.active).toBeNull();
  });

  it('forgets of a selection what no longer exists', async () => {
    listing.selectAll();
    server.remove('c');
    await vi.waitFor(() => expect(listing.rows).toHaveLength(4));
    expect(listing.isSelected('c')).toBe(false);
    expect(selected()).toHaveLength(4);
  });

  it('extends to where the anchor was, in both directions', () => {
    listing.select('c');
    listing.select('e', 'extend');
    expect(selected()).toEqual(['e', 'd', 'c']);
    listing.select('a', 'extend');
    expect(selected()).toEqual(['c', 'b', 'a']);
  });
});
