import { nullTranslator } from '@jupyterlab/translation';
import {
  act,
  cleanup,
  fireEvent,
  render,
  screen,
  waitFor,
  within
} from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { violations } from '../../../__tests__/axe';
import { PretendServer, summary } from '../../../__tests__/server';
import { ApiError } from '../../../api/request';
import type { Device } from '../../../api/types';
import { Folds } from '../../../model/folds';
import { JobsModel } from '../../../model/jobs';
import { Listing } from '../../../model/listing';
import { JobPool } from '../../../model/pool';
import { moment } from '../../../words';
import type { Run } from '../actions';
import { Sidebar } from '../sidebar';

const trans = nullTranslator.load('qhub_ext');
const NOW = Date.now() / 1000;

let server: PretendServer;
let model: JobsModel;
let listing: Listing;
let pool: JobPool | null;
let ran: [string, readonly string[] | undefined][];

beforeEach(() => {
  server = new PretendServer();
  pool = null;
  ran = [];
});

afterEach(() => {
  cleanup();
  listing.dispose();
  model.dispose();
});

function device(name: string, over: Partial<Device> = {}): Device {
  return {
    name,
    qubits: 156,
    family: 'heron',
    snapshot_at: '2026-11-01T00:00:00Z',
    snapshot_id: 'x',
    snapshot_age_s: 7230,
    synthetic: false,
    max_shots: 100_000,
    medians: {},
    dead_edges: [],
    resource: null,
    ...over
  };
}

const run: Run = (command, ids) => void ran.push([command, ids]);
run.knows = () => true;

async function show(
  connection = 'live',
  explained = false
): Promise<HTMLElement> {
  model = server.model();
  pool = explained ? new JobPool(model) : null;
  listing = new Listing(model);
  const { container } = render(
    <Sidebar
      listing={listing}
      pool={pool}
      folds={new Folds()}
      shown={true}
      trans={trans}
      run={run}
    />
  );
  await waitFor(() => expect(model.connection).toBe(connection));
  await waitFor(() =>
    expect(screen.queryByText('Asking the server …')).toBeNull()
  );
  return container;
}

function rows(): HTMLElement[] {
  return screen.getAllByRole('row');
}

function selected(): string[] {
  return listing.selection.map(job => job.id);
}

function fill(count: number): void {
  for (let n = 0; n < count; n++) {
    server.put(summary(`j${String(n).padStart(6, '0')}`, 'completed'), false);
  }
}

describe('the sidebar', () => {
  it('says of each job what it is, where it stands and why', async () => {
    server.put(
      summary('01-aaaaaa', 'queued', {
        name: 'bell',
        reason: '3 jobs wait before it',
        submitted_at: NOW - 190
      }),
      false
    );
    server.put(
      summary('02-bbbbbb', 'running', {
        running_at: NOW - 38,
        phase: 'device',
        tier: 'qpu'
      }),
      false
    );
    server.put(
      summary('03-cccccc', 'failed', {
        message: 'NameError: name x',
        running_at: NOW - 60,
        ended_at: NOW - 50
      }),
      false
    );
    const page = await show();
    const [failed, running, queued] = rows().map(row => row.textContent);
    expect(queued).toMatch(/bell.*aaaaaa.*queued 3 min \d\d s.*3 jobs wait/);
    expect(running).toMatch(/running [3-9]\d s.*waiting for the device.*qpu/);
    expect(failed).toMatch(/failed after 10 s.*NameError: name x/);
    expect(await violations(page)).toEqual([]);
  });

  it('lets ages grow without asking the server', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    try {
      server.put(summary('a', 'running', { running_at: Date.now() / 1000 }));
      await show();
      expect(rows()[0].textContent).toContain('running 0 s');
      server.requests.length = 0;
      act(() => void vi.advanceTimersByTime(5000));
      expect(rows()[0].textContent).toContain('running 5 s');
      expect(server.requests).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('shows what a hint brought', async () => {
    server.put(summary('a', 'queued'), false);
    await show();
    act(() => server.put(summary('a', 'starting')));
    await waitFor(() => expect(rows()[0].textContent).toContain('starting'));
  });

  it('makes rows of ten thousand jobs only where they are in sight', async () => {
    fill(10_000);
    await show();
    await waitFor(() => expect(model.jobs).toHaveLength(10_000));
    const grid = screen.getByRole('grid');
    expect(grid.getAttribute('aria-rowcount')).toBe('10000');
    expect(rows().length).toBeLessThan(40);
    fireEvent.scroll(grid, { target: { scrollTop: 66 * 5000 } });
    await waitFor(() =>
      expect(
        rows().some(row => row.getAttribute('aria-rowindex') === '5001')
      ).toBe(true)
    );
    expect(rows().length).toBeLessThan(40);
  });

  it('filters by text, tier and group of states', async () => {
    server.put(summary('a', 'failed', { name: 'qaoa deep' }), false);
    server.put(summary('b', 'completed', { name: 'qaoa', tier: 'qpu' }), false);
    server.put(summary('c', 'completed', { name: 'bell' }), false);
    await show();
    fireEvent.change(screen.getByLabelText('Search in jobs'), {
      target: { value: 'QAOA' }
    });
    expect(rows()).toHaveLength(2);
    fireEvent.click(screen.getByRole('button', { name: 'failed: 1' }));
    expect(rows().map(row => row.dataset.job)).toEqual(['a']);
    fireEvent.change(screen.getByLabelText('Tier'), {
      target: { value: 'qpu' }
    });
    expect(screen.queryByRole('grid')).toBeNull();
    expect(screen.getByText('None of your 3 jobs matches.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Show all' }));
    expect(rows()).toHaveLength(3);
  });
});

describe('the keyboard in the list', () => {
  beforeEach(async () => {
    fill(30);
    server.put(summary('z', 'queued'), false);
    await show();
    rows()[0].focus();
  });

  const press = (key: string, over = {}) =>
    fireEvent.keyDown(document.activeElement!, { key, ...over });
  const focused = () => (document.activeElement as HTMLElement).dataset.job;

  it('moves one tab stop along the rows', () => {
    press('ArrowDown');
    expect(focused()).toBe('j000029');
    press('End');
    expect(focused()).toBe('j000000');
    press('Home');
    expect(focused()).toBe('z');
    const stops = rows().filter(row => row.tabIndex === 0);
    expect(stops.map(row => row.dataset.job)).toEqual(['z']);
  });

  it('extends the selection with shift, and empties it with escape', () => {
    press('Home');
    press('ArrowDown', { shiftKey: true });
    press('ArrowDown', { shiftKey: true });
    expect(selected()).toEqual(['z', 'j000029', 'j000028']);
    expect(screen.getByText('3 selected')).toBeTruthy();
    press('Escape');
    expect(selected()).toEqual([]);
    press('a', { ctrlKey: true });
    expect(selected()).toHaveLength(31);
  });

  it('opens with enter and cancels with delete, by way of the commands', () => {
    press('Enter');
    press('Delete');
    expect(ran).toEqual([
      ['qhub-ext:open-job', ['z']],
      ['qhub-ext:cancel', ['z']]
    ]);
  });

  it('stays where it stood when its row goes away', async () => {
    press('ArrowDown');
    act(() => server.remove('j000029'));
    await waitFor(() => expect(model.jobs).toHaveLength(30));
    expect(listing.active).toBe('j000028');
  });
});

describe('the mouse in the list', () => {
  beforeEach(async () => {
    fill(3);
    server.put(summary('z', 'queued'), false);
    await show();
  });

  it('selects one, several, or a range', () => {
    fireEvent.mouseDown(rows()[0]);
    expect(selected()).toEqual(['z']);
    fireEvent.mouseDown(rows()[2], { ctrlKey: true });
    expect(selected()).toEqual(['z', 'j000001']);
    fireEvent.mouseDown(rows()[3], { shiftKey: true });
    expect(selected()).toEqual(['j000001', 'j000000']);
  });

  it('keeps the selection under a context menu, and moves it elsewhere', () => {
    fireEvent.mouseDown(rows()[0]);
    fireEvent.mouseDown(rows()[1], { ctrlKey: true });
    fireEvent.contextMenu(rows()[1]);
    expect(selected()).toEqual(['z', 'j000002']);
    fireEvent.contextMenu(rows()[3]);
    expect(selected()).toEqual(['j000000']);
  });

  it('has a button for each verb that makes sense', () => {
    const of = (n: number) =>
      within(rows()[n])
        .getAllByRole('button')
        .map(button => button.title);
    expect(of(0)).toEqual(['Hold', 'Cancel']);
    expect(of(1)).toEqual(['Requeue', 'Run again']);
    fireEvent.click(within(rows()[0]).getByTitle('Hold'));
    expect(ran).toEqual([['qhub-ext:hold', ['z']]]);
  });

  it('takes two clicks on a button for no wish to open the job', () => {
    const button = within(rows()[0]).getAllByRole('button')[0];
    fireEvent.doubleClick(button);
    expect(ran).toEqual([]);
    fireEvent.doubleClick(rows()[0]);
    expect(ran).toHaveLength(1);
  });

  it('acts on those of a selection for which the verb makes sense', () => {
    fireEvent.mouseDown(rows()[0]);
    fireEvent.mouseDown(rows()[3], { shiftKey: true });
    const bar = screen.getByRole('toolbar', { name: 'Selected jobs' });
    fireEvent.click(within(bar).getByTitle('Cancel: 1'));
    expect(ran).toEqual([['qhub-ext:cancel', ['z']]]);
  });
});

describe('instead of jobs', () => {
  it('teaches where there are none', async () => {
    const page = await show();
    await waitFor(() => expect(screen.getByText('No jobs yet')).toBeTruthy());
    expect(page.textContent).toContain('%%qpu --tier emulation');
    expect(screen.getByTitle('Copy the second cell')).toBeTruthy();
    fireEvent.click(screen.getByText('Open the tutorials'));
    expect(ran).toEqual([['qhub-ext:open-tutorials', undefined]]);
    expect(await violations(page)).toEqual([]);
  });

  it('offers no tutorials to who may not write', async () => {
    server.writable = false;
    await show();
    await waitFor(() => expect(screen.getByText('No jobs yet')).toBeTruthy());
    expect(screen.queryByText('Open the tutorials')).toBeNull();
  });

  it('says which command switches the missing server extension on', async () => {
    server.failure = new ApiError('Not Found', 404);
    const page = await show('missing');
    expect(page.textContent).toContain(
      'jupyter server extension enable qhub_ext'
    );
    expect(await violations(page)).toEqual([]);
    server.failure = null;
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(screen.getByText('No jobs yet')).toBeTruthy());
  });

  it('says why it may not look', async () => {
    server.failure = new ApiError('Sign in first.', 403);
    const page = await show('refused');
    expect(page.textContent).toContain('Sign in first.');
  });
});

describe('a job that waits', () => {
  const waiting = summary('01-aaaaaa', 'queued', {
    name: 'bell',
    reason: '2 of 2 CPUs are busy'
  });

  it('says by when it starts, where the site tells that unasked', async () => {
    server.put({ ...waiting, starts_by: NOW + 3600 }, false);
    await show();
    expect(rows()[0].textContent).toMatch(/by \d\d/);
    expect(server.requests).not.toContain('estimate 01-aaaaaa');
  });

  it('has its start asked for when it is selected, once, and again by a button', async () => {
    server.put(waiting, false);
    server.estimate = {
      earliest: NOW,
      latest: NOW + 3600,
      why: '1 running and 2 ahead',
      as_of: NOW
    };
    const page = await show();
    act(() => listing.select('01-aaaaaa'));
    const about = await screen.findByRole('region', { name: 'About bell' });
    expect(about.textContent).toContain('2 of 2 CPUs are busy');
    await waitFor(() =>
      expect(about.textContent).toMatch(/It starts by .* at the latest/)
    );
    expect(about.textContent).toContain('1 running and 2 ahead');
    expect(about.textContent).toMatch(/Asked \d+ s ago/);
    expect(await violations(page)).toEqual([]);
    const asked = () =>
      server.requests.filter(what => what.startsWith('estimate')).length;
    expect(asked()).toBe(1);
    fireEvent.click(within(about).getByRole('button', { name: 'Ask again' }));
    await waitFor(() => expect(asked()).toBe(2));
    act(() => listing.clearSelection());
    expect(screen.queryByRole('region', { name: 'About bell' })).toBeNull();
  });

  it('is not asked about by who only walks past it', async () => {
    server.put(waiting, false);
    server.put(summary('02-bbbbbb', 'completed'), false);
    await show();
    act(() => listing.select('01-aaaaaa'));
    act(() => listing.step(-1));
    await new Promise(done => setTimeout(done, 500));
    expect(server.requests).not.toContain('estimate 01-aaaaaa');
  });
});

describe('the one that is selected', () => {
  beforeEach(async () => {
    server.put(summary('01-aaaaaa', 'completed'), false);
    server.put(
      summary('02-bbbbbb', 'failed', { name: 'vqe', message: 'NameError' }),
      false
    );
    server.explanation = {
      cause: 'code',
      sentence: "NameError: name 'thetas' is not defined.",
      audience: 'you',
      advice: "Did you mean 'theta'?"
    };
  });

  it('is explained by cause, sentence, whose move it is and what to try', async () => {
    const page = await show('live', true);
    act(() => listing.select('02-bbbbbb'));
    const about = screen.getByRole('region', { name: 'About vqe' });
    expect(about.textContent).toBe('NameError');
    await waitFor(() =>
      expect(about.textContent).toBe(
        "NameError: name 'thetas' is not defined.cause: codeyour moveTry: Did you mean 'theta'?"
      )
    );
    expect(await violations(page)).toEqual([]);
    act(() => listing.select('01-aaaaaa'));
    expect(screen.queryByRole('region', { name: /About/ })).toBeNull();
  });

  it('is told by its row alone where the application has no models of single jobs', async () => {
    await show();
    act(() => listing.select('02-bbbbbb'));
    const about = screen.getByRole('region', { name: 'About vqe' });
    expect(about.textContent).toBe('NameError');
    expect(server.requests).not.toContain('explain 02-bbbbbb');
  });

  it('says what makes the results of one that completed doubtful', async () => {
    server.put(
      summary('03-cccccc', 'completed', { name: 'ghz', message: 'Stale.' }),
      false
    );
    await show('live', true);
    act(() => listing.select('03-cccccc'));
    const about = screen.getByRole('region', { name: 'About ghz' });
    expect(about.textContent).toBe('Stale.');
  });
});

describe('tasks at the broker', () => {
  const task = {
    id: 't1',
    job_id: '01-aaaaaa',
    mine: true,
    user: 'ada',
    profile: 'development',
    device: 'kingston',
    state: 'queued',
    submitted_at: NOW - 70,
    started_at: null,
    done: 1000,
    of: 4000,
    place: 2,
    why: 'A task of profile production goes first.',
    earliest: NOW + 60,
    latest: NOW + 400
  };

  it('are not spoken of where there is no broker', async () => {
    await show();
    expect(screen.queryByText('Tasks at the broker')).toBeNull();
    expect(server.requests).not.toContain('tasks');
  });

  it('say which job they are of, their place, and why they wait', async () => {
    server.put(
      summary('01-aaaaaa', 'running', {
        name: 'vqe',
        phase: 'device',
        phase_text: 'waiting at kingston'
      }),
      false
    );
    const other = { ...task, id: '', job_id: '', mine: false, user: 'bob' };
    server.tasksList = [
      { ...other, state: 'running', place: 1, why: '' },
      task
    ];
    const page = await show();
    const list = await screen.findByRole('list', {
      name: 'Tasks at the broker'
    });
    const [first, second] = within(list).getAllByRole('listitem');
    expect(first.textContent).toMatch(/bob.*on the device/);
    expect(second.textContent).toMatch(/vqe.*place 2.*1000 of 4000 shots/);
    expect(second.textContent).toContain(task.why);
    expect(second.textContent).toContain(
      `It is expected to begin between ${moment(NOW + 60)} and ${moment(NOW + 400)}.`
    );
    expect(rows()[0].textContent).toContain('waiting at kingston');
    fireEvent.click(within(second).getByRole('button', { name: 'vqe' }));
    expect(ran).toEqual([['qhub-ext:open-job', ['01-aaaaaa']]]);
    act(() => listing.select('01-aaaaaa'));
    const about = screen.getByRole('region', { name: 'About vqe' });
    expect(about.textContent).toBe(task.why);
    expect(await violations(page)).toEqual([]);
  });
});

describe('what is not as fresh or as free as it could be', () => {
  it('keeps the jobs in sight and says since when nobody answers', async () => {
    server.put(summary('a', 'running'), false);
    const page = await show();
    server.failure = new ApiError('Failed to fetch', 0);
    await act(() => model.refresh().catch(() => undefined));
    expect(rows()).toHaveLength(1);
    expect(page.textContent).toMatch(/has not answered for \d s/);
    expect(page.textContent).toContain('Failed to fetch');
  });

  it('says how old the word of an unreachable site is', async () => {
    server.staleSince = NOW - 250;
    const page = await show();
    expect(page.textContent).toMatch(/cannot be reached.* 4 min \d\d s old/);
  });

  it('offers no actions to a reader, and says why', async () => {
    server.writable = false;
    server.put(summary('a', 'running'), false);
    const page = await show();
    expect(within(rows()[0]).queryAllByRole('button')).toEqual([]);
    expect(page.textContent).toContain('read access only');
  });
});

describe('tiers and devices', () => {
  it('fold away', async () => {
    await show();
    const title = screen.getByRole('button', { name: /^Tiers/ });
    const list = screen.getByText('local').closest('ul')!;
    expect(list.parentElement!.hidden).toBe(false);
    fireEvent.click(title);
    expect(title.getAttribute('aria-expanded')).toBe('false');
    expect(list.parentElement!.hidden).toBe(true);
  });

  it('say whether a tier is open, or why not', async () => {
    const page = await show();
    const [, emulation, qpu] = within(page).getAllByRole('listitem');
    expect(emulation.textContent).toMatch(/emulation.*default.*open/);
    expect(qpu.textContent).toContain('No resource stands for a device.');
  });

  it('put the devices within reach first, and the others behind a button', async () => {
    server.devicesList = [
      device('fez', {
        resource: {
          name: 'ibm_fez',
          type: 'x',
          state: 'online',
          queue: 3,
          trouble: '',
          source: 'toml',
          next_calibration_at: NOW + 3600,
          windows_trouble: 'Calibration window 2 is not told.'
        }
      }),
      device('kingston'),
      device('torino')
    ];
    const page = await show();
    act(() => model.devices.start());
    await waitFor(() => expect(page.textContent).toContain('3 wait'));
    expect(page.textContent).toMatch(/calibrated 2 h ago/);
    expect(page.textContent).toMatch(/next in (1 h 00 min|59 min)/);
    expect(screen.queryByText('torino')).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: /1 more/ }));
    expect(screen.getByText('torino')).toBeTruthy();
    expect(await violations(page)).toEqual([]);
  });
});
