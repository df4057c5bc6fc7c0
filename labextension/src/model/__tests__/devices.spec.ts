import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { PretendServer, summary } from '../../__tests__/server';
import type { Device } from '../../api/types';
import type { JobsModel } from '../jobs';

let server: PretendServer;
let model: JobsModel;

beforeEach(async () => {
  server = new PretendServer();
  server.devicesList = [{ name: 'fez' } as Device];
  model = server.model();
  await vi.waitFor(() => expect(model.connection).toBe('live'));
});

afterEach(() => model.dispose());

it('asks for nothing before it is started, not even at a hint', async () => {
  server.hint(summary('a', 'queued'), 'devices');
  await model.devices.refresh();
  expect(server.requests).not.toContain('devices');
});

it('asks anew when a hint says that a device changed', async () => {
  model.devices.start();
  await vi.waitFor(() => expect(model.devices.find('fez')).toBeTruthy());
  server.devicesList = [{ name: 'fez' } as Device, { name: 'kyiv' } as Device];
  server.hint(summary('a', 'queued'), 'devices');
  await vi.waitFor(() => expect(model.devices.find('kyiv')).toBeTruthy());
});

it('keeps what it knows when the server fails, and says so', async () => {
  model.devices.start();
  await vi.waitFor(() => expect(model.devices.devices).toHaveLength(1));
  server.failure = new Error('The catalog cannot be read.');
  await model.devices.refresh();
  await vi.waitFor(() =>
    expect(model.devices.trouble).toBe('The catalog cannot be read.')
  );
  expect(model.devices.devices).toHaveLength(1);
});
