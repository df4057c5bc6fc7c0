import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PretendServer, summary } from '../../../__tests__/server';
import { Folds } from '../../../model/folds';
import type { JobsModel } from '../../../model/jobs';
import { Listing } from '../../../model/listing';
import type { Run } from '../actions';
import { JobsPanel } from '../panel';

const run: Run = () => undefined;
run.knows = () => true;

let server: PretendServer;
let model: JobsModel;
let panel: JobsPanel;

function open(): void {
  model = server.model();
  const listing = new Listing(model);
  const trans = nullTranslator.load('qhub_ext');
  panel = new JobsPanel(listing, null, new Folds(), trans, run);
  panel.disposed.connect(() => listing.dispose());
  Widget.attach(panel, document.body);
  panel.processMessage(Widget.Msg.ActivateRequest);
}

async function rows(): Promise<HTMLElement[]> {
  return vi.waitFor(() => {
    const found = [...panel.node.querySelectorAll<HTMLElement>('[role=row]')];
    expect(found).not.toEqual([]);
    return found;
  });
}

beforeEach(() => {
  server = new PretendServer();
});

afterEach(() => {
  panel.dispose();
  model.dispose();
});

describe('the focus of who opens the sidebar before the jobs are here', () => {
  it('goes to the list when it comes', async () => {
    server.put(summary('01-aaaaaa', 'running'), false);
    open();
    const [row] = await rows();
    await vi.waitFor(() => expect(document.activeElement).toBe(row));
  });

  it('stays where they have taken it', async () => {
    server.put(summary('01-aaaaaa', 'running'), false);
    open();
    const other = document.body.appendChild(document.createElement('input'));
    other.focus();
    const [row] = await rows();
    await vi.waitFor(() => expect(row.tabIndex).toBe(0));
    expect(document.activeElement).toBe(other);
    other.remove();
  });
});
