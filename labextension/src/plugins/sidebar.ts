import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { jobsIcon } from '../icon';
import { Folds } from '../model/folds';
import { Listing } from '../model/listing';
import type { JobPool } from '../model/pool';
import { CommandIDs, IJobPool, IJobsModel, IListing } from '../tokens';
import type { Run } from '../views/sidebar/actions';
import { JobsPanel } from '../views/sidebar/panel';

/** The left sidebar. */
export const sidebarPlugin: JupyterFrontEndPlugin<IListing> = {
  id: 'qhub-ext:sidebar',
  description: 'Shows tiers, devices and the jobs of this user.',
  autoStart: true,
  provides: IListing,
  requires: [IJobsModel],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer, IStateDB, IJobPool],
  activate: (
    app: JupyterFrontEnd,
    model: IJobsModel,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    state: IStateDB | null,
    pool: JobPool | null
  ) => {
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const { commands } = app;
    const listing = new Listing(model);
    const folds = new Folds();
    if (state) {
      void remember(folds, state);
    }
    const run: Run = (command, ids) => {
      if (commands.hasCommand(command)) {
        const args =
          command === CommandIDs.openJob
            ? { id: ids?.[0] }
            : { ids: [...(ids ?? [])] };
        void commands.execute(command, args).finally(() => panel.regainFocus());
      }
    };
    run.knows = command => commands.hasCommand(command);
    const panel = new JobsPanel(listing, pool, folds, trans, run);
    panel.disposed.connect(() => listing.dispose());
    app.shell.add(panel, 'left', { rank: 350 });
    restorer?.add(panel, panel.id);
    commands.addCommand(CommandIDs.showJobs, {
      label: trans.__('Show Quantum Jobs'),
      caption: trans.__('Show tiers, devices and your jobs'),
      icon: jobsIcon,
      execute: async () => {
        // A palette that ran this gives the focus back to whatever had it, before the next await: the list takes it after that.
        await null;
        app.shell.activateById(panel.id);
      },
      describedBy: { args: { type: 'object', properties: {} } }
    });
    palette?.addItem({
      command: CommandIDs.showJobs,
      category: trans.__('Quantum Jobs')
    });
    return listing;
  }
};

const FOLDED = 'qhub-ext:folded';

/** Folds as they were left in this workspace, and keeps what becomes of them. */
async function remember(folds: Folds, state: IStateDB): Promise<void> {
  const before = await state.fetch(FOLDED).catch(() => undefined);
  if (Array.isArray(before)) {
    folds.restore(before.map(String));
  }
  folds.changed.connect(() => void state.save(FOLDED, folds.folded));
}
