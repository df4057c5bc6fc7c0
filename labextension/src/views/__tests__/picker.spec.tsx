import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { violations } from '../../__tests__/axe';
import { PretendServer } from '../../__tests__/server';
import type { Choice } from '../../api/types';
import type { JobsModel } from '../../model/jobs';
import { PickerFace } from '../picker';

class ChoiceModel {
  choice: Choice | null = null;
  changed = new Signal<this, void>(this);
  choose = vi.fn();
}

let server: PretendServer;
let jobs: JobsModel;
let model: ChoiceModel;

beforeEach(() => {
  server = new PretendServer();
  server.devicesList = ['kingston', 'fez'].map(name => ({ name }) as never);
  jobs = server.model();
  model = new ChoiceModel();
});

afterEach(() => {
  cleanup();
  jobs.dispose();
});

const show = () =>
  render(
    <PickerFace
      model={model as never}
      jobs={jobs}
      trans={nullTranslator.load('qhub_ext')}
    />
  ).container;

const tier = () =>
  screen.findByRole<HTMLSelectElement>('combobox', { name: /Tier/ });
const device = () =>
  screen.findByRole<HTMLSelectElement>('combobox', { name: /Device/ });

describe('the picker', () => {
  it('shows what the settings say where nobody has chosen', async () => {
    const node = show();
    expect((await tier()).value).toBe('emulation');
    expect((await device()).value).toBe('kingston');
    expect(await violations(node)).toEqual([]);
  });

  it("shows the notebook's choice, also of a device that is not listed", async () => {
    model.choice = { tier: 'local', device: 'elsewhere' };
    show();
    expect((await tier()).value).toBe('local');
    await screen.findByRole('option', { name: 'fez' });
    expect((await device()).value).toBe('elsewhere');
  });

  it('chooses', async () => {
    show();
    fireEvent.change(await tier(), { target: { value: 'local' } });
    await screen.findByRole('option', { name: 'fez' });
    fireEvent.change(await device(), { target: { value: 'fez' } });
    expect(model.choose.mock.calls).toEqual([
      [{ tier: 'local' }],
      [{ device: 'fez' }]
    ]);
    // not before the kernel agrees
    expect((await device()).value).toBe('kingston');
  });

  it('offers no tier that is closed, and says why', async () => {
    show();
    const closed = await screen.findByRole<HTMLOptionElement>('option', {
      name: 'qpu (closed)'
    });
    expect(closed.disabled).toBe(true);
    expect(closed.title).toBe('No resource stands for a device.');
  });

  it('is not there without a server', () => {
    server.failure = new Error('gone');
    expect(show().childElementCount).toBe(0);
  });
});
