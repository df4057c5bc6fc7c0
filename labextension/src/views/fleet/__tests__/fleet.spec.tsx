import { nullTranslator } from '@jupyterlab/translation';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { violations } from '../../../__tests__/axe';
import type { Client } from '../../../api/client';
import type { Fleet, FleetKey } from '../../../api/fleet';
import { ApiError } from '../../../api/request';
import { FleetModel } from '../../../model/fleet';
import { FleetFace } from '../face';

const FLEET: Fleet = {
  broker: true,
  overview: {
    since: 1_790_000_000,
    until: 1_790_600_000,
    by: 'device',
    names: true,
    jobs: 400,
    failed: 30,
    users: 12,
    groups: [
      {
        key: 'kingston',
        id: 'kingston',
        jobs: 300,
        failed: 27,
        users: 12,
        lost_s: 5400,
        wait_p50_s: 12
      }
    ],
    clusters: [
      {
        id: '5c32717b03ab',
        signature: 'OSError: <path> is gone',
        cause: 'integration',
        failed: 20,
        users: 5,
        mine: false,
        lost_s: 3600,
        kind: 'systemic',
        sentence:
          'Systemic: 20 of 31 runs on node n3 failed so (5 users), elsewhere 0 of 369.'
      },
      {
        id: '000000000000',
        signature: 'ValueError',
        cause: 'code',
        failed: 2,
        users: 1,
        mine: true,
        lost_s: 4,
        kind: '',
        sentence: ''
      }
    ]
  },
  levels: {
    since: 1_790_000_000,
    until: 1_790_600_000,
    share: 0.95,
    jobs: 400,
    profiles: [
      {
        profile: 'production',
        jobs: 100,
        target_s: 300,
        within: 0.9,
        median_s: 20,
        p95_s: 400,
        met: false
      },
      {
        profile: 'test',
        jobs: 0,
        target_s: 1800,
        within: null,
        median_s: null,
        p95_s: null,
        met: null
      }
    ],
    devices: [{ device: 'kingston', used_s: 400_000, share: 0.66 }],
    lost: [{ cause: 'integration', seconds: 3600, jobs: 20 }]
  },
  figure: null
};

let answer: Fleet;
let failure: Error | null;
let asked: [FleetKey, number][];
let model: FleetModel;

beforeEach(() => {
  answer = FLEET;
  failure = null;
  asked = [];
  const fleet = async (by: FleetKey, days: number) => {
    asked.push([by, days]);
    if (failure !== null) {
      throw failure;
    }
    return {
      ...answer,
      overview: answer.overview && { ...answer.overview, by }
    };
  };
  model = new FleetModel({ fleet } as unknown as Client);
});

afterEach(() => {
  cleanup();
  model.dispose();
});

const show = (shown = true) =>
  render(
    <FleetFace
      model={model}
      shown={shown}
      rendermime={null}
      trans={nullTranslator.load('qhub_ext')}
    />
  ).container;

it('tells what failed with its verdict in words, and what was promised', async () => {
  const node = show();
  await screen.findByText(/20 of 31 runs on node n3/);
  expect(screen.getByText('systemic')).toBeTruthy();
  expect(screen.getByText('yours among them')).toBeTruthy();
  expect(
    screen.getByRole('row', { name: /production 100 .* 90.0 % ✗ no/ })
  ).toBeTruthy();
  expect(
    screen.getByRole('row', { name: /kingston 300 27 9.0 %/ })
  ).toBeTruthy();
  expect(await violations(node)).toEqual([]);
});

it('asks anew when something else is chosen, and nothing while nobody sees it', async () => {
  show(false);
  await new Promise(done => setTimeout(done, 0));
  expect(asked).toEqual([]);
  cleanup();
  show();
  fireEvent.change(await screen.findByLabelText('by'), {
    target: { value: 'node' }
  });
  await vi.waitFor(() => expect(asked[asked.length - 1]).toEqual(['node', 7]));
  fireEvent.change(screen.getByLabelText('The last'), {
    target: { value: '30' }
  });
  await vi.waitFor(() => expect(asked[asked.length - 1]).toEqual(['node', 30]));
  await screen.findByRole('heading', { name: 'Node' });
});

it('offers users as a key to operators alone, and says to others what they see', async () => {
  answer = { ...FLEET, overview: { ...FLEET.overview!, names: false } };
  show();
  await screen.findByText(/operators of the broker see names/);
  expect(screen.queryByRole('option', { name: 'User' })).toBeNull();
});

it('teaches where there is no broker', async () => {
  answer = { broker: false, overview: null, levels: null, figure: null };
  const node = show();
  await screen.findByText('No broker is configured');
  expect(screen.getByText('qhub broker serve --slurm')).toBeTruthy();
  expect(await violations(node)).toEqual([]);
});

it('says whose leave is missing where the server refuses', async () => {
  failure = new ApiError('Forbidden', 403);
  const node = show();
  expect((await screen.findByRole('alert')).textContent).toContain(
    'read on qhub_ext:fleet'
  );
  expect(await violations(node)).toEqual([]);
});

it('keeps what it knew when the broker is away, and says so', async () => {
  show();
  await screen.findByText('systemic');
  failure = new ApiError('The broker cannot be reached.', 502);
  fireEvent.click(screen.getByRole('button', { name: 'Ask again' }));
  await screen.findByText('The broker cannot be reached.');
  expect(screen.getByText('systemic')).toBeTruthy();
});
