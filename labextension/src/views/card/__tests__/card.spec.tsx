import { RenderMimeRegistry } from '@jupyterlab/rendermime';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { screen, waitFor, within } from '@testing-library/dom';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { violations } from '../../../__tests__/axe';
import { job, record } from '../../../__tests__/records';
import {
  CARD_MIME_TYPE,
  Explanation,
  Job,
  JobOutputs,
  JobRecord
} from '../../../api/types';
import { ApiError } from '../../../api/request';
import type { Connection, JobsModel } from '../../../model/jobs';
import { JobPool } from '../../../model/pool';
import { CommandIDs } from '../../../tokens';
import { cardFactory, JobCard } from '../card';

class Jobs {
  connection: Connection = 'live';
  changed = new Signal<this, void>(this);
  answer: Job = job();
  why: Explanation = { cause: '', sentence: '', audience: '', advice: '' };
  written: JobOutputs = { attempt: 1, seq: 0, final: false, outputs: [] };
  client = {
    job: vi.fn(() => Promise.resolve(this.answer)),
    explain: vi.fn(() => Promise.resolve(this.why)),
    outputs: vi.fn(() => Promise.resolve(this.written))
  };
  find = () => undefined;
  isGone = () => false;
}

let jobs: Jobs;
let pool: JobPool;
let commands: CommandRegistry;
let card: JobCard | null = null;
const executed: unknown[] = [];

beforeEach(() => {
  jobs = new Jobs();
  pool = new JobPool(jobs as unknown as JobsModel);
  commands = new CommandRegistry();
  executed.length = 0;
  for (const id of [
    CommandIDs.openJob,
    CommandIDs.cancel,
    CommandIDs.rerun,
    CommandIDs.requeue
  ]) {
    commands.addCommand(id, {
      execute: args => executed.push([id, args]),
      describedBy: { args: {} }
    });
  }
});

afterEach(() => {
  card?.dispose();
  card = null;
});

/** The card as an untrusted notebook draws it. */
async function show(saved: unknown): Promise<HTMLElement> {
  const rendermime = new RenderMimeRegistry();
  const trans = nullTranslator.load('qhub_ext');
  rendermime.addFactory(cardFactory({ pool, commands, trans }), 0);
  const model = rendermime.createModel({
    data: {
      [CARD_MIME_TYPE]: saved as never,
      'text/html': '<b>fallback</b>',
      'text/plain': 'fallback'
    }
  });
  expect(rendermime.preferredMimeType(model.data, 'ensure')).toBe(
    CARD_MIME_TYPE
  );
  card = rendermime.createRenderer(CARD_MIME_TYPE) as JobCard;
  await card.renderModel(model);
  Widget.attach(card, document.body);
  MessageLoop.flush();
  await waitFor(() => expect(card!.node.firstChild).not.toBeNull());
  return card.node;
}

const running: Partial<JobRecord> = {
  state: 'running',
  phase: 'device',
  phase_text: 'waiting at kingston: 2 tasks there',
  running_at: Date.now() / 1000 - 72
};

describe('the card of a job', () => {
  it('shows what the server says now instead of what the notebook saved', async () => {
    jobs.answer = job(running);
    const node = await show(record());
    const status = await within(node).findByText('running');
    expect(status.parentElement!.textContent).toContain(
      'waiting at kingston: 2 tasks there'
    );
    expect(node.textContent).toContain('emulation');
    expect(node.textContent).toContain('4000 shots');
    expect(node.textContent).toMatch(/7[0-5] s/);
    expect(await violations(node)).toEqual([]);
  });

  it('says why a job waits and whose move it is', async () => {
    jobs.why = {
      cause: 'policy',
      sentence: 'Two jobs of yours run, and the QOS allows two.',
      audience: 'you',
      advice: 'Cancel one of them.'
    };
    const node = await show(record());
    await within(node).findByText(/QOS allows two/);
    expect(within(node).getByText('your move')).toBeTruthy();
    expect(within(node).getByText('Cancel one of them.')).toBeTruthy();
  });

  it('says what makes the results of a completed job doubtful, once, and live or not', async () => {
    const doubt = 'It used gates that the device has switched off (83-96).';
    const done = {
      state: 'completed' as const,
      message: doubt,
      advice: 'Choose another layout.',
      notes: [doubt, 'another note']
    };
    jobs.answer = job(done);
    for (const connection of ['live', 'offline'] as const) {
      jobs.connection = connection;
      const node = await show(record(done));
      await within(node).findByText('Look at this:');
      expect(node.textContent!.split(doubt)).toHaveLength(2);
      expect(node.textContent).toContain('Choose another layout.');
      expect(node.textContent).toContain('another note');
      expect(await violations(node)).toEqual([]);
      card!.dispose();
    }
    expect(jobs.client.explain).not.toHaveBeenCalled();
  });

  it('says by when it starts, where the site tells that', async () => {
    jobs.answer = job({ starts_by: Date.now() / 1000 + 600 });
    const node = await show(record());
    await within(node).findByText(/starts by \d/);
  });

  it('shows the last lines while the cell runs', async () => {
    jobs.answer = job(running);
    jobs.written = {
      attempt: 1,
      seq: 1,
      final: false,
      outputs: [{ output_type: 'stream', name: 'stdout', text: 'shot 1\n' }]
    };
    const node = await show(record());
    expect((await within(node).findByText('shot 1')).tagName).toBe('PRE');
  });

  it('offers what makes sense, as the commands of the page', async () => {
    jobs.answer = job({ state: 'failed', actions: ['requeue', 'rerun'] });
    const node = await show(record());
    const buttons = await within(node).findAllByRole('button');
    expect(buttons.map(button => button.textContent)).toEqual([
      'Open',
      'Requeue',
      'Run again'
    ]);
    buttons.forEach(button => button.click());
    const { id } = jobs.answer;
    expect(executed).toEqual([
      [CommandIDs.openJob, { id }],
      [CommandIDs.requeue, { ids: [id] }],
      [CommandIDs.rerun, { ids: [id] }]
    ]);
  });

  it('shows how far an array is', async () => {
    jobs.answer = job({ state: 'running', size: 20, done: 5 });
    const node = await show(record());
    const bar = await within(node).findByRole('progressbar');
    expect(bar.getAttribute('aria-label')).toBe('5 of 20 elements have ended');
    expect(await violations(node)).toEqual([]);
  });

  it("tells a stranger's job, with the facts that were saved and no buttons", async () => {
    jobs.client.job.mockRejectedValue(new ApiError('no', 404, '', 'user'));
    const node = await show(record({ state: 'completed', running_s: 38 }));
    await within(node).findByText(/Not one of your jobs/);
    expect(within(node).getByText('completed')).toBeTruthy();
    expect(within(node).queryAllByRole('button')).toEqual([]);
    expect(await violations(node)).toEqual([]);
  });

  it.each([
    ['missing', /jupyter server extension enable qhub_ext/],
    ['offline', /cannot be reached/]
  ] as const)(
    'shows the saved facts with their age while the server is %s, and comes alive again',
    async (connection, sentence) => {
      jobs.connection = connection;
      const node = await show(record());
      const notice = await within(node).findByText(sentence);
      expect(notice.textContent).toMatch(/Last known .* ago\./);
      expect(within(node).queryAllByRole('button')).toEqual([]);
      jobs.connection = 'live';
      jobs.answer = job({ state: 'completed' });
      jobs.changed.emit();
      await within(node).findByText('completed');
      expect(within(node).queryByText(sentence)).toBeNull();
    }
  );

  it('says since when the site is silent', async () => {
    jobs.answer = job({ stale_since: Date.now() / 1000 - 30 });
    const node = await show(record());
    await within(node).findByText(/site cannot be reached/);
  });

  it('lets hostile names, reasons and notes stay text', async () => {
    const hostile = '<img src=x onerror="window.hacked=1">\x1b[31m';
    jobs.answer = job({
      state: 'failed',
      name: hostile,
      device: hostile,
      notes: [hostile]
    });
    jobs.why = {
      cause: 'code',
      sentence: hostile,
      audience: '__proto__',
      advice: hostile
    };
    const node = await show(record({ name: hostile, notes: [hostile] }));
    await within(node).findByText('failed');
    await waitFor(() =>
      expect(node.querySelector('.qhub-Card-why')).not.toBeNull()
    );
    expect(node.querySelector('img')).toBeNull();
    expect(node.textContent).not.toContain('\x1b');
  });

  it('says so where the notebook carries no card that can be read', async () => {
    const node = await show({ id: 'javascript:alert(1)' });
    expect(node.textContent).toContain('not a job card');
    expect(jobs.client.job).not.toHaveBeenCalled();
  });

  it('gives its model back when it goes', async () => {
    await show(record());
    const model = pool.take(record().id);
    pool.release(model);
    expect(model.isDisposed).toBe(false);
    card!.dispose();
    expect(model.isDisposed).toBe(true);
    expect(screen.queryByRole('article')).toBeNull();
  });
});
