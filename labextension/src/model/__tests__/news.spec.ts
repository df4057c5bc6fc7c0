import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { PretendServer, summary } from '../../__tests__/server';
import type { JobsModel } from '../jobs';
import { Kind, News, Piece } from '../news';

const NOW = Math.floor(Date.now() / 1000);

let server: PretendServer;
let model: JobsModel;
let news: News;
let told: Piece[];
let wanted: Kind[] | null;

beforeEach(async () => {
  server = new PretendServer([
    summary('a', 'queued', { name: 'bell' }),
    summary('old', 'failed', { ended_at: NOW - 5000 })
  ]);
  model = server.model();
  told = [];
  wanted = ['started', 'completed', 'failed'];
  news = new News(
    model,
    nullTranslator.load('qhub_ext'),
    kind => wanted && wanted.includes(kind),
    piece => told.push(piece)
  );
  await vi.waitFor(() => expect(model.connection).toBe('live'));
});

afterEach(() => {
  news.dispose();
  model.dispose();
});

const texts = () => told.map(piece => piece.text);

it('tells when a job starts, completes and fails, and what was there before it never tells', async () => {
  server.put(summary('a', 'running', { name: 'bell' }));
  await vi.waitFor(() =>
    expect(texts()).toEqual(['bell (a) runs on emulation, kingston'])
  );
  server.put(
    summary('a', 'failed', { name: 'bell', message: 'NameError: name x' })
  );
  await vi.waitFor(() =>
    expect(texts()[1]).toBe('bell (a) failed: NameError: name x')
  );
  expect(told[1]).toMatchObject({ kind: 'failed', id: 'a' });
  expect(told).toHaveLength(2);
});

it('tells of a short job only that it has completed', async () => {
  server.put(
    summary('b', 'completed', { running_at: NOW - 12, ended_at: NOW })
  );
  await vi.waitFor(() =>
    expect(texts()).toEqual(['job b (b) has completed after 12 s'])
  );
});

it('takes a job that ended long ago for history, though it is new here', async () => {
  server.put(summary('c', 'failed', { ended_at: NOW - 5000 }));
  server.put(summary('d', 'completed', { ended_at: NOW }));
  await vi.waitFor(() => expect(told).toHaveLength(1));
  expect(told[0].id).toBe('d');
});

it('makes one piece of many at once', async () => {
  for (let n = 0; n < 12; n++) {
    server.put(summary(`m${n}`, 'completed', { ended_at: NOW }));
  }
  await vi.waitFor(() => expect(texts()).toEqual(['12 jobs have completed']));
  expect(told[0].id).toBeNull();
});

it('keeps to what is wanted', async () => {
  wanted = ['completed'];
  server.put(summary('a', 'running'));
  await vi.waitFor(() => expect(model.find('a')!.state).toBe('running'));
  server.put(summary('a', 'completed', { ended_at: NOW }));
  await vi.waitFor(() => expect(told.map(p => p.kind)).toEqual(['completed']));
});

it('waits until it is known what is wanted', async () => {
  wanted = null;
  server.put(summary('a', 'running'));
  await vi.waitFor(() => expect(model.find('a')!.state).toBe('running'));
  server.put(summary('b', 'failed', { ended_at: NOW }));
  await vi.waitFor(() => expect(model.find('b')).toBeDefined());
  wanted = ['failed'];
  await vi.waitFor(() => expect(told.map(p => p.id)).toEqual(['b']));
});

it('shows no control characters of a name', async () => {
  server.put(
    summary('e', 'completed', { name: '\u202ecod.exe', ended_at: NOW })
  );
  await vi.waitFor(() => expect(texts()[0]).toMatch(/^\ufffdcod\.exe/));
});
