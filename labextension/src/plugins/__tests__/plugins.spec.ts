import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, Notification } from '@jupyterlab/apputils';
import { LauncherModel } from '@jupyterlab/launcher';
import { RunningSessionManagers } from '@jupyterlab/running';
import { StatusBar } from '@jupyterlab/statusbar';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { fireEvent, getByLabelText } from '@testing-library/dom';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { violations } from '../../__tests__/axe';
import { PretendServer, summary } from '../../__tests__/server';
import { ApiError } from '../../api/request';
import type { Device } from '../../api/types';
import type { JobsModel } from '../../model/jobs';
import { Listing } from '../../model/listing';
import { CommandIDs } from '../../tokens';
import { commandsPlugin } from '../commands';
import { notificationsPlugin } from '../notifications';
import { runningPlugin } from '../running';
import { sidebarPlugin } from '../sidebar';
import { statusBarPlugin } from '../statusbar';
import { tutorialsPlugin } from '../tutorials';

let server: PretendServer;
let model: JobsModel;
let commands: CommandRegistry;
let app: JupyterFrontEnd;
let panels: Widget[];

beforeEach(async () => {
  server = new PretendServer([
    summary('a', 'queued', { name: 'bell' }),
    summary('b', 'running'),
    summary('c', 'completed')
  ]);
  model = server.model();
  commands = new CommandRegistry();
  panels = [];
  const shell = {
    add: (widget: Widget) => panels.push(widget),
    activateById: vi.fn()
  };
  app = { commands, shell } as unknown as JupyterFrontEnd;
  await vi.waitFor(() => expect(model.connection).toBe('live'));
});

afterEach(() => {
  Dialog.flush(); // or the next one waits behind it
  panels.forEach(panel => panel.dispose());
  model.dispose();
  document.body.replaceChildren();
});

async function dialog(): Promise<HTMLElement> {
  await vi.waitFor(() => {
    expect(document.querySelector('.jp-Dialog button')).toBeTruthy();
    // its body is drawn after its buttons
    expect(document.querySelector('.jp-Dialog-body')?.textContent).toBeTruthy();
  });
  return document.querySelector<HTMLElement>('.jp-Dialog')!;
}

function press(node: HTMLElement, label: string): void {
  const buttons = [...node.querySelectorAll('button')];
  buttons.find(button => button.textContent === label)!.click();
}

describe('the commands', () => {
  beforeEach(() => {
    // none of the optional tokens, as in an application that has nothing but commands
    void commandsPlugin.activate(app, model, null, null, null);
  });

  it('ask before they cancel, and say of what', async () => {
    const done = commands.execute(CommandIDs.cancel, { ids: ['a', 'b'] });
    const box = await dialog();
    expect(box.textContent).toMatch(/Cancel 2 jobs\?.*a bell.*b job b/s);
    expect(await violations(box)).toEqual([]);
    press(box, 'Cancel jobs');
    await done;
    expect(server.acts).toEqual([['cancel', ['a', 'b']]]);
  });

  it('do nothing where the answer is no', async () => {
    const done = commands.execute(CommandIDs.cancel, { ids: ['a'] });
    press(await dialog(), 'Back');
    await done;
    expect(server.acts).toEqual([]);
  });

  it('leave out jobs for which the verb makes no sense', async () => {
    await commands.execute(CommandIDs.hold, { ids: ['a', 'b', 'c'] });
    expect(server.acts).toEqual([['hold', ['a']]]);
    expect(commands.isEnabled(CommandIDs.release, { ids: ['a'] })).toBe(false);
    expect(commands.label(CommandIDs.cancel, { ids: ['a', 'b'] })).toBe(
      'Cancel 2 Jobs'
    );
  });

  it('ask before they end a running job to begin it anew, but not for one that has ended', async () => {
    await commands.execute(CommandIDs.requeue, { ids: ['c'] });
    const done = commands.execute(CommandIDs.requeue, { ids: ['b'] });
    press(await dialog(), 'Requeue');
    await done;
    expect(server.acts).toEqual([
      ['requeue', ['c']],
      ['requeue', ['b']]
    ]);
  });

  it('run again with what is chosen, and without what makes no sense', async () => {
    server.devicesList = [{ name: 'fez' }] as Device[];
    const done = commands.execute(CommandIDs.rerunWith, { ids: ['a', 'c'] });
    const box = await dialog();
    expect(box.textContent).toContain('Run this job again with changes');
    expect(await violations(box)).toEqual([]);
    await vi.waitFor(() => expect(box.textContent).toContain('fez'));
    const choose = (label: string, value: string) =>
      fireEvent.change(getByLabelText(box, label), { target: { value } });
    choose('Calibration', 'same');
    choose('Environment', 'current');
    choose('Device', 'fez'); // whose calibration of then is not that of kingston
    const same = box.querySelector<HTMLOptionElement>(
      'option[value=same]:disabled'
    );
    expect(same?.textContent).toBe('of then, or not at all');
    press(box, 'Run again');
    await done;
    expect(server.acts).toEqual([['rerun', ['c']]]);
    expect(server.others).toEqual([{ device: 'fez', runtime: 'current' }]);
  });

  it('say what the server refused', async () => {
    server.refusals = [{ job_id: 'a', why: 'The site holds it already.' }];
    const done = commands.execute(CommandIDs.hold, { ids: ['a'] });
    const box = await dialog();
    expect(box.textContent).toContain('The site holds it already.');
    press(box, 'Close');
    await done;
  });

  it('say in words that there is no server', async () => {
    server.failure = new ApiError('Failed to fetch', 0);
    const done = commands.execute(CommandIDs.hold, { ids: ['a'] });
    const box = await dialog();
    expect(box.textContent).toContain('The Jupyter server cannot be reached.');
    press(box, 'Close');
    await done;
  });

  it('are neither there nor able for a reader', async () => {
    server.writable = false;
    await model.refresh();
    expect(commands.isVisible(CommandIDs.cancel, { ids: ['a'] })).toBe(false);
    expect(commands.isEnabled(CommandIDs.cancel, { ids: ['a'] })).toBe(false);
  });
});

describe('the commands without arguments', () => {
  it('take what is selected in the sidebar', async () => {
    const listing = new Listing(model);
    void commandsPlugin.activate(app, model, listing, null, null);
    expect(commands.isEnabled(CommandIDs.hold)).toBe(false);
    listing.select('a');
    expect(commands.isEnabled(CommandIDs.hold)).toBe(true);
    await commands.execute(CommandIDs.hold);
    expect(server.acts).toEqual([['hold', ['a']]]);
    listing.dispose();
  });
});

describe('the sidebar', () => {
  it('needs nothing of an application but its shell', async () => {
    void sidebarPlugin.activate(app, model, null, null, null, null, null);
    expect(panels).toHaveLength(1);
    await commands.execute(CommandIDs.showJobs);
    expect(app.shell.activateById).toHaveBeenCalledWith(panels[0].id);
  });

  it('leaves nothing behind', () => {
    const listing = sidebarPlugin.activate(
      app,
      model,
      null,
      null,
      null,
      null,
      null
    );
    const [panel] = panels;
    Widget.attach(panel, document.body);
    panel.dispose();
    expect((listing as Listing).isDisposed).toBe(true);
    expect(document.body.textContent).toBe('');
  });

  it('asks for devices only when somebody looks', async () => {
    void sidebarPlugin.activate(app, model, null, null, null, null, null);
    expect(server.requests).not.toContain('devices');
    Widget.attach(panels[0], document.body);
    await vi.waitFor(() => expect(server.requests).toContain('devices'));
  });
});

describe('the status bar', () => {
  it('counts what runs and waits, and is silent where nothing does', async () => {
    const bar = new StatusBar();
    Widget.attach(bar, document.body);
    void statusBarPlugin.activate(app, model, bar, null);
    await vi.waitFor(() =>
      expect(bar.node.textContent).toBe('1 running, 1 queued')
    );
    expect(await violations(bar.node)).toEqual([]);
    server.put(summary('a', 'held'));
    await vi.waitFor(() =>
      expect(bar.node.textContent).toBe('1 running, 1 held')
    );
    server.put(summary('a', 'cancelled'));
    server.put(summary('b', 'completed'));
    const item = bar.node.querySelector('.qhub-Status')!;
    await vi.waitFor(() =>
      expect(item.classList.contains('lm-mod-hidden')).toBe(true)
    );
    bar.dispose();
  });
});

describe('the running sessions', () => {
  it('list what has not ended, and cancel only after asking', async () => {
    const managers = new RunningSessionManagers();
    void commandsPlugin.activate(app, model, null, null, null);
    void runningPlugin.activate(app, model, managers, null);
    const [manager] = managers.items();
    const items = manager.running({ mode: 'list' });
    expect(items.map(item => item.label())).toEqual(['job b', 'bell']);
    expect(items.map(item => item.detail!())).toEqual(['running', 'queued']);
    items[0].shutdown!();
    press(await dialog(), 'Cancel job');
    await vi.waitFor(() => expect(server.acts).toEqual([['cancel', ['b']]]));
    manager.shutdownAll(); // the panel itself has asked
    await vi.waitFor(() =>
      expect(server.acts[1]).toEqual(['cancel', ['b', 'a']])
    );
  });
});

describe('the notices', () => {
  it('lead to the job and to the sidebar', async () => {
    const shown: Notification.INotification[] = [];
    Notification.manager.changed.connect((_, { notification }) => {
      shown.push(notification);
    });
    void notificationsPlugin.activate(app, model, null, null);
    const open = vi.fn();
    commands.addCommand(CommandIDs.openJob, {
      execute: open,
      describedBy: { args: {} }
    });
    server.put(summary('b', 'failed', { message: 'NameError' }));
    await vi.waitFor(() => expect(shown).toHaveLength(1));
    const [{ message, type, options }] = shown;
    expect([message, type]).toEqual(['job b (b) failed: NameError', 'error']);
    expect(options.actions!.map(action => action.label)).toEqual([
      'Open job',
      'Show sidebar'
    ]);
    options.actions![0].callback({} as MouseEvent);
    expect(open.mock.calls[0][0]).toMatchObject({ id: 'b' });
  });
});

describe('the tutorials', () => {
  const opened: [string, unknown][] = [];
  beforeEach(() => {
    opened.length = 0;
    for (const id of ['filebrowser:go-to-path', 'docmanager:open']) {
      commands.addCommand(id, {
        execute: ({ path }) => void opened.push([id, path]),
        describedBy: { args: {} }
      });
    }
  });

  it('are copied by the server and opened, from a card of the launcher', async () => {
    const launcher = new LauncherModel();
    void tutorialsPlugin.activate(app, model, null, launcher, null);
    const [card] = [...launcher.items()];
    expect(commands.label(card.command, card.args)).toBe('qhub tutorials');
    await commands.execute(card.command, card.args);
    expect(server.requests).toContain('tutorials');
    expect(opened).toEqual([
      ['filebrowser:go-to-path', 'qhub-tutorials'],
      ['docmanager:open', 'qhub-tutorials/01-first-job.ipynb']
    ]);
    launcher.dispose();
  });

  it('need no launcher, and say why they cannot be had', async () => {
    void tutorialsPlugin.activate(app, model, null, null, null);
    server.failure = new ApiError('Not Found', 404);
    const done = commands.execute(CommandIDs.openTutorials);
    const box = await dialog();
    expect(box.textContent).toContain(
      'jupyter server extension enable qhub_ext'
    );
    press(box, 'Close');
    await done;
    expect(opened).toEqual([]);
  });
});
