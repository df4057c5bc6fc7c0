import {
  RenderMimeRegistry,
  standardRendererFactories
} from '@jupyterlab/rendermime';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { fireEvent, waitFor, within } from '@testing-library/dom';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { violations } from '../../../__tests__/axe';
import { attempt, job } from '../../../__tests__/records';
import { summary } from '../../../__tests__/server';
import { ApiError } from '../../../api/request';
import type { Job, JobDetail, JobOutputs } from '../../../api/types';
import type { Connection, JobsModel } from '../../../model/jobs';
import { JobPool } from '../../../model/pool';
import { CommandIDs } from '../../../tokens';
import { JobView } from '../view';

const OTHER = '01kayt4w2-8rn4ye';
const HOSTILE = '<img src=x onerror="window.hacked=1">';

class Jobs {
  connection: Connection = 'live';
  changed = new Signal<this, void>(this);
  answer: Job = job({ state: 'completed', actions: ['rerun'] });
  written: JobOutputs = {
    attempt: 1,
    seq: 1,
    final: true,
    outputs: [{ output_type: 'stream', name: 'stdout', text: 'ran' }]
  };
  printed = ['\x1b[31mred\x1b[0m\n', `${HOSTILE}\n`];
  detail: JobDetail = {
    captured: [
      { name: 'bell', type: 'QuantumCircuit', summary: '2 qubits', bytes: 4100 }
    ],
    returned: [],
    absent: { generator: 'cannot be pickled' },
    runtime: {
      python: '3.11.7',
      platform: 'Linux',
      packages: { qiskit: '2.6.1', numpy: '2.3.0' }
    },
    tasks: [
      {
        primitive: 'sampler',
        methods: [{ method: 'density_matrix' }, { method: 'density_matrix' }],
        active_qubits: [0, 1],
        pubs: [{}],
        shots: 4096,
        wall_s: 0.0273,
        findings: [{ sentence: 'Passes in 0.82 of its shots.', advice: '' }]
      },
      { primitive: HOSTILE, methods: 'none', findings: [HOSTILE] } as never
    ],
    calibration: {
      device: 'kingston',
      snapshot_id: 'sha256:abc',
      snapshot_at: '2026-04-01T12:00:00Z',
      synthetic: true,
      changed: false,
      medians: { t1_s: 256e-6, readout_error: 0.00312 },
      edges: 176,
      dead_edges: 1,
      map: {
        width: 60,
        height: 30,
        qubits: [0, 1].map(index => ({
          index,
          x: 13.2 + 22 * index,
          y: 13.2,
          t1_s: 256e-6,
          t2_s: null,
          readout_error: 0.00312,
          one_qubit_error: null,
          dated_at: null,
          dead: false,
          colour: '#2c7fb8',
          used: index
        })),
        edges: [
          {
            a: 0,
            b: 1,
            error: 0.0042,
            dead: false,
            gate: HOSTILE,
            dated_at: 1_790_000_000,
            colour: '#d1495b',
            used: 12
          }
        ]
      }
    },
    attempts: []
  };
  client = {
    job: vi.fn(() => Promise.resolve(this.answer)),
    explain: vi.fn((_id: string, _others?: boolean) =>
      Promise.resolve({
        cause: 'code',
        sentence: `It raised ${HOSTILE}.`,
        audience: 'you',
        advice: 'Mend line 3.',
        again: true,
        others: 'Systemic: 9 of 12 runs on device kingston failed so.',
        findings: [
          {
            rule: 'code',
            cause: 'code',
            sentence: `It raised ${HOSTILE}.`,
            clues: [{ text: HOSTILE, where: 'cell.py:3', tab: 'code' }],
            audience: 'you',
            advice: 'Mend line 3.',
            again: false,
            confidence: 'sure',
            word: ''
          },
          {
            rule: 'memory',
            cause: 'resources',
            sentence: 'It may have been memory.',
            clues: [],
            audience: 'you',
            advice: '',
            again: false,
            confidence: 'possible',
            word: ''
          }
        ]
      })
    ),
    outputs: vi.fn(() => Promise.resolve(this.written)),
    detail: vi.fn(() => Promise.resolve(this.detail)),
    script: vi.fn(() =>
      Promise.resolve({
        script: '#!/bin/sh\nexec python',
        cell: `print("${HOSTILE}")`,
        language: 'python'
      })
    ),
    trace: vi.fn(() =>
      Promise.resolve({
        begin: 100,
        end: 110,
        note: '2 s are unaccounted for.',
        spans: [
          {
            name: 'site queue',
            kind: 'queue',
            begin: 100,
            end: 104,
            attempt: 1
          },
          {
            name: HOSTILE,
            kind: 'x" onload=',
            begin: 104,
            end: 108,
            attempt: 1
          }
        ]
      })
    ),
    traceFigure: vi.fn(() =>
      Promise.resolve({ data: [{ type: 'bar' }], layout: {}, config: {} })
    ),
    tracesBeside: vi.fn((id: string, other: string) =>
      Promise.resolve({
        jobs: [
          { id, short_id: '7qm3xd', name: 'a', wall_s: 10, ended: true },
          {
            id: other,
            short_id: '8rn4ye',
            name: HOSTILE,
            wall_s: 40,
            ended: false
          }
        ],
        parts: [
          { part: 'site queue', seconds: [2, 32] },
          { part: 'quantum', seconds: [8, 8] }
        ],
        spans: [
          {
            name: HOSTILE,
            kind: 'device_queue',
            counts: [1, 12],
            seconds: [0, 3]
          }
        ]
      })
    ),
    log: vi.fn((_: string, signal: AbortSignal) => this._print()),
    archiveUrl: (id: string) => `/qhub_ext/jobs/${id}/archive`
  };
  jobs = [this.answer.id, OTHER].map(id =>
    summary(id, 'completed', { name: HOSTILE })
  );
  find = () => undefined;
  isGone = () => false;
  devices = {
    changed: new Signal<object, void>({}),
    start: () => undefined,
    find: () => ({ snapshot_id: 'sha256:def' })
  };

  private async *_print(): AsyncGenerator<string> {
    yield* this.printed;
  }
}

let jobs: Jobs;
let pool: JobPool;
let view: JobView | null = null;
let commands: CommandRegistry;

beforeEach(() => {
  jobs = new Jobs();
  pool = new JobPool(jobs as unknown as JobsModel);
  commands = new CommandRegistry();
});

afterEach(() => {
  view?.dispose();
  view = null;
});

const PLOTLY = 'application/vnd.plotly.v1+json';

function show(
  rendermime = new RenderMimeRegistry({
    initialFactories: standardRendererFactories
  })
): HTMLElement {
  view = new JobView(jobs.answer.id, {
    pool,
    commands,
    rendermime,
    trans: nullTranslator.load('qhub_ext'),
    highlight: null
  });
  Widget.attach(view, document.body);
  return view.node;
}

async function choose(node: HTMLElement, tab: string): Promise<HTMLElement> {
  fireEvent.click(await within(node).findByRole('tab', { name: tab }));
  return within(node).findByRole('tabpanel', { name: tab });
}

describe('the view of a job', () => {
  it('shows its name, state and outputs, and takes its name as title', async () => {
    const node = show();
    await within(node).findByRole('heading', { name: 'GHZ parity' });
    expect(within(node).getByText('completed')).toBeTruthy();
    const panel = within(node).getByRole('tabpanel', { name: 'Outputs' });
    await within(panel).findByText('ran');
    expect(view!.title.label).toBe('GHZ parity');
    expect(
      within(node).getByText('Download the folder').getAttribute('href')
    ).toBe(`/qhub_ext/jobs/${jobs.answer.id}/archive`);
    expect(await violations(node)).toEqual([]);
  });

  it('goes through its tabs by the arrow keys', async () => {
    const node = show();
    const first = await within(node).findByRole('tab', { name: 'Outputs' });
    first.focus();
    fireEvent.keyDown(first, { key: 'ArrowRight' });
    await waitFor(() =>
      expect(document.activeElement!.textContent).toBe('Log')
    );
    fireEvent.keyDown(document.activeElement!, { key: 'End' });
    await waitFor(() =>
      expect(document.activeElement!.textContent).toBe('Attempts')
    );
    fireEvent.keyDown(document.activeElement!, { key: 'ArrowRight' });
    await waitFor(() =>
      expect(document.activeElement!.textContent).toBe('Outputs')
    );
    expect(within(node).getAllByRole('tab', { selected: true })).toHaveLength(
      1
    );
  });

  it.each([
    ['Log', /red/],
    [
      'Timeline',
      /site queue.*4 s.*unaccounted.*2 quantum tasks.*density_matrix214096.*0\.82 of/
    ],
    [
      'Why',
      /It raised <img.*code.*your move.*Mend line 3.*Trying again can help.*Systemic: 9 of 12 runs.*Seen.*cell\.py:3.*It may have been memory.*resources, possible/
    ],
    ['Code', /print.*#!\/bin\/sh/s],
    [
      'Names',
      /bell.*QuantumCircuit.*4\.1 kB.*Nothing has come back.*generator.*cannot be pickled/
    ],
    [
      'Calibration',
      /kingston.*2026-04-01.*sha256:abc.*synthetic.*256 µs.*0\.312 %.*Dead edges1 of 176.*newer snapshot/
    ],
    ['Runtime', /3\.11\.7.*2 packages.*numpy.*qiskit/],
    ['Attempts', /completed/]
  ])(
    'tells in %s what it should, and hostile text stays text',
    async (tab, told) => {
      const node = show();
      await choose(node, tab);
      await waitFor(() =>
        expect(within(node).getByRole('tabpanel').textContent).toMatch(told)
      );
      expect(node.querySelector('img:not([src^="data:"])')).toBeNull();
      expect(await violations(node)).toEqual([]);
    }
  );

  it('asks whether others meet the same only where that is shown', async () => {
    jobs.answer = job({ state: 'failed' });
    const node = show();
    await waitFor(() =>
      expect(jobs.client.explain.mock.calls).toEqual([[jobs.answer.id]])
    );
    await choose(node, 'Why');
    await within(node).findByText(/Systemic: 9 of 12/);
    expect(jobs.client.explain.mock.calls).toEqual([
      [jobs.answer.id],
      [jobs.answer.id, true]
    ]);
  });

  it('draws the colours of a log as classes, and stops reading when nobody looks', async () => {
    const node = show();
    const panel = await choose(node, 'Log');
    const red = await within(panel).findByText('red');
    expect(red.className).toBe('ansi-red-fg');
    const signal = jobs.client.log.mock.calls[0][1];
    expect(signal.aborted).toBe(false);
    await choose(node, 'Outputs');
    await waitFor(() => expect(signal.aborted).toBe(true));
  });

  it('lets stand what it has drawn when the job moves on', async () => {
    jobs.answer = job({ state: 'running' });
    const node = show();
    const drawn = await within(node).findByText('ran');
    jobs.answer = job({ state: 'completed' });
    await pool.take(jobs.answer.id).refresh();
    await within(node).findByText('completed');
    expect(within(node).getByText('ran')).toBe(drawn);
  });

  it('comes back to its outputs from another tab', async () => {
    const node = show();
    await within(node).findByText('ran');
    await choose(node, 'Attempts');
    expect(within(node).queryByText('ran')).toBeNull();
    await within(await choose(node, 'Outputs')).findByText('ran');
  });

  it('stands beside another job that is chosen, and says what changed', async () => {
    const node = show();
    await choose(node, 'Timeline');
    const other = await within(node).findByRole('combobox', {
      name: 'Beside another job'
    });
    expect([...other.querySelectorAll('option')].map(one => one.value)).toEqual(
      ['', OTHER]
    );
    jobs.jobs = [summary('01kayt4w3-newest', 'running'), ...jobs.jobs];
    jobs.changed.emit();
    await within(other).findByText(/newest, running/);
    fireEvent.change(other, { target: { value: OTHER } });
    await within(node).findByText('+30 s');
    expect(jobs.client.tracesBeside).toHaveBeenCalledWith(
      jobs.answer.id,
      OTHER
    );
    const section = within(node).getByRole('region', {
      name: 'Beside another job'
    });
    expect(section.textContent).toMatch(
      /40 s so far.*site queue2 s32 s\+30 s.*quantum8 s8 s–.*× 1, × 12.*device queue–3 s\+3 s/
    );
    expect(node.querySelector('img')).toBeNull();
    expect(await violations(node)).toEqual([]);
    jobs.client.tracesBeside.mockRejectedValueOnce(new Error('It is gone.'));
    fireEvent.change(other, { target: { value: '' } });
    await waitFor(() => expect(within(node).queryByText('+30 s')).toBeNull());
    fireEvent.change(other, { target: { value: OTHER } });
    await within(section).findByText('It is gone.');
  });

  it('draws the timeline as a figure where the page has plotly, and only when it is asked for', async () => {
    const drawn: unknown[] = [];
    const widgets: Widget[] = [];
    const registry = new RenderMimeRegistry({
      initialFactories: standardRendererFactories
    });
    registry.addFactory({
      safe: true,
      mimeTypes: [PLOTLY],
      createRenderer: () => {
        const widget = new Widget();
        widgets.push(widget);
        return Object.assign(widget, {
          renderModel: (model: { data: Record<string, unknown> }) => {
            drawn.push(model.data[PLOTLY]);
            return Promise.resolve();
          }
        });
      }
    });
    const node = show(registry);
    await choose(node, 'Timeline');
    const figure = await within(node).findByText('As a figure to zoom into');
    expect(jobs.client.traceFigure).not.toHaveBeenCalled();
    const details = figure.closest('details')!;
    details.open = true;
    fireEvent(details, new Event('toggle'));
    await waitFor(() =>
      expect(drawn).toEqual([
        { data: [{ type: 'bar' }], layout: {}, config: {} }
      ])
    );
    expect(await violations(node)).toEqual([]);
    await choose(node, 'Outputs');
    expect(
      widgets.map(({ isDisposed, isAttached }) => [isDisposed, isAttached])
    ).toEqual([[true, false]]);
  });

  it('has no figure where the page has no plotly', async () => {
    const node = show();
    await choose(node, 'Timeline');
    await within(node).findByText('site queue');
    expect(within(node).queryByText('As a figure to zoom into')).toBeNull();
  });

  it('tells the numbers of each qubit and edge on the map', async () => {
    const node = show();
    await choose(node, 'Calibration');
    const map = await within(node).findByRole('group', {
      name: 'Map of kingston'
    });
    const told = within(map)
      .getAllByRole('img')
      .map(mark => mark.querySelector('title')!.textContent);
    expect(told).toEqual([
      expect.stringMatching(
        /^Edge 0–1,\n12 gates of the tasks,\ntwo-qubit error 0\.42 %,\ngate <img.*,\nmeasured 2026-/
      ),
      'Qubit 0,\nreadout error 0.312 %,\none-qubit error –,\nT1 256 µs,\nT2 –',
      expect.stringMatching(/^Qubit 1, used by the tasks,/)
    ]);
  });

  it('finds packages', async () => {
    const node = show();
    await choose(node, 'Runtime');
    const search = await within(node).findByRole('searchbox');
    fireEvent.change(search, { target: { value: 'QIS' } });
    await waitFor(() => expect(within(node).queryByText('numpy')).toBeNull());
    expect(within(node).getByText('qiskit')).toBeTruthy();
  });

  it('shows HTML of outputs cleaned, until somebody trusts it', async () => {
    jobs.written.outputs = [
      {
        output_type: 'display_data',
        data: { 'text/html': `<b>table</b>${HOSTILE}`, 'text/plain': 'plain' },
        metadata: {}
      }
    ];
    const node = show();
    await within(node).findByText('table');
    expect(node.querySelector('[onerror]')).toBeNull();
    fireEvent.click(within(node).getByText('Trust these outputs'));
    await waitFor(() => expect(node.querySelector('[onerror]')).not.toBeNull());
  });

  it('tells the attempts with their causes, the latest first', async () => {
    jobs.answer = job({
      state: 'failed',
      attempts: [
        { ...attempt(1, 'lost'), cause: 'resources', message: 'node died' },
        { ...attempt(2, 'failed'), cause: 'code', message: 'raised' }
      ]
    });
    const node = show();
    const panel = await choose(node, 'Attempts');
    const rows = [...panel.querySelectorAll('.qhub-Attempts > li')];
    expect(rows.map(row => row.textContent)).toEqual([
      expect.stringMatching(/failed.*cause: code.*raised/),
      expect.stringMatching(/lost.*cause: resources.*node died/)
    ]);
  });

  it('leads from an array to its elements', async () => {
    jobs.answer = job({ state: 'completed', size: 3, done: 3 });
    const opened: unknown[] = [];
    commands.addCommand(CommandIDs.openJob, {
      execute: args => opened.push(args),
      describedBy: { args: {} }
    });
    const node = show();
    await choose(node, 'Elements');
    fireEvent.click(
      await within(node).findByRole('button', { name: 'Open element 2' })
    );
    expect(opened).toEqual([{ id: `${jobs.answer.id}.2` }]);
    expect(await violations(node)).toEqual([]);
  });

  it('says so where there is no such job', async () => {
    jobs.client.job.mockRejectedValue(new ApiError('no', 404, '', 'user'));
    const node = show();
    await within(node).findByText(/no such job among yours/);
    expect(within(node).queryByRole('tab')).toBeNull();
  });

  it('keeps the facts on screen while the server is away', async () => {
    const node = show();
    await within(node).findByText('completed');
    jobs.connection = 'offline';
    jobs.changed.emit();
    await within(node).findByRole('alert');
    expect(within(node).getByText('completed')).toBeTruthy();
  });

  it('gives its model back when it is closed', async () => {
    show();
    const model = pool.take(jobs.answer.id);
    pool.release(model);
    expect(model.isDisposed).toBe(false);
    view!.dispose();
    expect(model.isDisposed).toBe(true);
  });
});
