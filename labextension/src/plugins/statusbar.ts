import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { activityWords } from '../model/activity';
import { CommandIDs, IJobsModel } from '../tokens';
import { StatusItem } from '../views/status/item';

/** Says in the status bar what runs and waits; nothing where there is no such bar. */
export const statusBarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:statusbar',
  description: 'Counts the running and queued jobs in the status bar.',
  autoStart: true,
  requires: [IJobsModel],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IJobsModel,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    statusBar?.registerStatusItem('qhub-ext:status', {
      item: new StatusItem(model, trans, () => {
        void app.commands.execute(CommandIDs.showJobs);
      }),
      align: 'left',
      rank: 20,
      isActive: () => activityWords(model.counts, trans) !== '',
      activeStateChanged: model.changed
    });
  }
};
